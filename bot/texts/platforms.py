"""What Discord and Slack show: commands, buttons, forms, and what is wrong with their set-up."""

from __future__ import annotations

from collections.abc import Sequence

from bot.texts.phrases import listed

NOT_HERE = "I am not allowed to work here. Whoever runs me decides where I may; try another channel or a direct message."
SAID_IN_PRIVATE = "That is for your eyes only, so I have sent it to you as a direct message."
DIRECT_MESSAGES_CLOSED = "That is for your eyes only, and I cannot send you direct messages. Use the slash command: its answer is only shown to you."
NOT_GIVEN_OUT = "Discord does not give it out any more"
STICKERS, POLLS, FORWARDED = "stickers", "polls", "forwarded messages"
DISCORD_LOGIN_REFUSED = "Discord does not accept the token. Copy it again from the Developer Portal (Bot, Reset Token) into DISCORD_TOKEN."
DISCORD_INTENT_REFUSED = (
    "Discord refuses the Message Content Intent. Switch it on in the Developer Portal (Bot, Privileged Gateway Intents), or set "
    "discord.message_content to false: then the bot hears mentions, direct messages, commands and menus only."
)
DISCORD_UNREACHABLE = "Discord does not answer. Check this machine's network, and https://discordstatus.com."
DISCORD_TERMS = (
    "Discord is not enabled: read Discord's Developer Terms of Service and Developer Policy, and if you run the bot by them, set "
    "discord.terms_acknowledged to true in the configuration."
)
NO_PLATFORM = (
    "No chat platform is configured. For Discord set DISCORD_TOKEN to the bot's token (Developer Portal, Bot), for Slack set "
    "SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or use `tutee chat`, the terminal."
)
DISCORD_WITH_CONTENT = "message content is heard: mentions, direct messages, and what is written in its threads or in reply to it"
DISCORD_WITHOUT_CONTENT = (
    "without the Message Content Intent: mentions, direct messages, commands, menus and reactions work; what is lost are messages in its "
    "threads and replies to it that do not mention it (discord.message_content)"
)
SLACK_TERMS = (
    "Slack is not enabled: read Slack's API Terms of Service, and if you run the bot by them, set slack.terms_acknowledged to true in "
    "the configuration."
)
SLACK_ONE_OR_SEVERAL = (
    "SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set. The first is for one workspace, the second for several that install the app "
    "themselves; unset one of them."
)
SLACK_NOWHERE_TO_INSTALL = (
    "SLACK_CLIENT_ID is set, so workspaces install the app themselves; set slack.public_url to the https address at which people reach "
    "this bot, and add it with /slack/oauth_redirect behind it to the app's Redirect URLs (OAuth & Permissions)."
)
SLACK_KEY_WRONG = (
    "SLACK_ENCRYPTION_KEY is no key. Make one with: python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'. "
    "Keep it as safe as a password: without it, every workspace has to install the app again."
)
SLACK_KEY_CHANGED = (
    "What is stored of the workspaces was encrypted with another key: put that one back into SLACK_ENCRYPTION_KEY, behind the new one "
    "and a comma, or have the workspaces install the app again."
)
SLACK_NOT_HEARD = (
    "SLACK_CLIENT_ID is set, but Slack could not be heard: set SLACK_APP_TOKEN for Socket Mode (Basic Information, App-Level Tokens), or "
    "slack.port and SLACK_SIGNING_SECRET for requests by HTTP."
)
SLACK_NOT_LISTED = "This workspace is not among those that may use this bot. Whoever runs it decides which may (slack.workspaces)."
SLACK_UNSIGNED = (
    "Slack cannot be heard: slack.port is set, so Slack's requests come by HTTP; set SLACK_SIGNING_SECRET (Basic Information), or set "
    "slack.port to 0 for Socket Mode."
)
SLACK_BY_SOCKET = "Socket Mode works; no public address is needed"
SLACK_BY_HTTP = "Slack's requests come by HTTP, to /slack/events; whether they arrive here, Slack shows at Event Subscriptions"
SLACK_UNREACHABLE = "Slack does not answer. Check this machine's network, and https://slack-status.com."
NOT_KEPT_BY_SLACK = "Slack does not keep it"
NOT_GIVEN_OUT_BY_SLACK = "Slack does not give it out"
A_FILE = "the file"
IS_THINKING = "is thinking…"
FORM_TITLE, SEND, CLOSE, TEACH_BUTTON, HOME_TITLE = "Tutee", "Send", "Close", "Teach me…", "Your model"
SAYS_NOTHING = "(an empty answer)"
BROKEN_OFF = " …"
REST_IN_FILE = "That is long, so here is all of it in a file."
FILE_OF_ANSWER = "answer.md"
DEFAULT_LESSON = "read this"
AGREE, CANCEL, FORGET, STOP, AGAIN, GOOD, BAD = "Agree", "Cancel", "Forget", "Stop", "Again", "👍", "👎"
MY_MODEL, COMPARE, EXPORT, DELETE, UNTAUGHT = "My model", "Compare…", "Export", "Delete everything…", "Use untaught"
ROLL_BACK = "Roll back"
NEXT, PREVIOUS = "Next ›", "‹ Back"
ASKS = {
    "/react 👎": "What should I have said?",
    "/compare": "Which question?",
    "/delete-me": "Write yes to delete everything for good",
}
TEACH_TITLE = "Teach me"
TEACH_TEXT, TEACH_LINK, TEACH_FILE = "What should I know?", "A link to read", "A file to read"
TEACH_TEXT_EXAMPLE = "Our office cat is called Miso."
TEACH_FROM_MESSAGE = "Teach from this message"
COMMANDS = {
    "ask": ("Ask your model", {"message": "what you want to say"}),
    "learn": (
        "Teach your model",
        {"text": "what it should know", "link": "a page to read", "file": "a file to read"},
    ),
    "lessons": ("What you have taught your model", {}),
    "why": ("Which of your lessons the last answer comes from", {}),
    "report": ("The last answer was biased or harmful: have it seen and corrected", {}),
    "model": ("Which version of your model answers, and the earlier ones", {}),
    "compare": ("Your model's versions side by side", {"question": "what to ask them"}),
    "share": ("Give lessons of yours to others", {"lessons": "their numbers, as in 1,3; nothing lists what you give"}),
    "offer": ("Show a pack to everybody in this channel, for them to take", {"code": "the code of the pack"}),
    "take": ("Learn what somebody gave you", {"code": "the code of the pack"}),
    "unshare": ("Give a pack to nobody any more", {"code": "the code of the pack"}),
    "forget": ("Take a lesson out of your model", {"lesson": "which lesson"}),
    "rebuild": ("Train your model anew from all your lessons", {}),
    "rollback": ("Answer from an earlier version again", {"version": "which version"}),
    "cancel": ("Stop the lessons that are still being learned", {}),
    "new": ("Start a new conversation", {}),
    "export": ("Get everything of yours as a file", {}),
    "privacy": ("What is kept and what is trained on", {}),
    "delete-me": ("Delete everything of yours", {}),
    "help": ("What you can do here", {}),
    "admin": ("For whoever runs the bot", {"what": "status, reports, on or off"}),
}


def marked(title: str) -> str:
    """The heading of the card that counts at the moment."""
    return f"{title} · answers you now"


def use_version(number: int) -> str:
    """The button that makes a version live."""
    return f"Use version {number}"


def forget_lesson(number: int) -> str:
    """The button that forgets a lesson."""
    return f"{FORGET} {number}"


def discord_found(name: str) -> str:
    """The token works."""
    return f"the token is that of {name}"


def discord_servers(names: Sequence[str]) -> str:
    """The servers that the bot is in."""
    return f"in {listed(names)}" if names else "in no server yet: open the invite link"


def discord_lacks(server: str, permissions: Sequence[str]) -> str:
    """What the bot may not do in a server."""
    return f"in {server} it lacks {listed([each.replace('_', ' ') for each in permissions])}: invite it again, or give its role these"


def discord_closed(code: int) -> str:
    """Discord ended the connection for good."""
    return f"Discord closed the connection for good (code {code}). `tutee doctor` checks the token and what it allows."


def slack_incomplete(name: str) -> str:
    """One of the two tokens is missing."""
    return (
        f"{name} not set, but the other token is. SLACK_BOT_TOKEN is at OAuth & Permissions, SLACK_APP_TOKEN at Basic Information. Set both or none."
    )


def slack_oauth_incomplete(names: Sequence[str]) -> str:
    """Several workspaces are meant, but not everything that this needs is set."""
    return (
        f"SLACK_CLIENT_ID is set, but {listed(names)} not. The client secret is at Basic Information; the encryption key seals the workspaces' "
        "tokens in the database, and `tutee doctor` says how to make one."
    )


def slack_installed(names: Sequence[str], public_url: str) -> str:
    """The workspaces that have the app, and how others come to have it."""
    return f"installed in {listed(names) if names else 'no workspace yet'}; install it at {public_url}/slack/install"


def slack_workspace(name: str) -> str:
    """A check of one of several workspaces."""
    return f"Slack {name}"


def slack_token_void(error: str) -> str:
    """A workspace's stored token does not work."""
    return f"Slack does not accept the workspace's token any more ({error}). Install the app there again."


def slack_port_taken(host: str, port: int) -> str:
    """The port for Slack's requests cannot be listened on."""
    return f"Slack's requests cannot be heard at {host}, port {port}: another program listens there, or it is not this machine's. Set slack.port."


def slack_found(app: str, workspace: str) -> str:
    """Slack knows the bot."""
    return f"the token belongs to @{app} in the workspace {workspace}"


def slack_scopes(held: int, lacking: Sequence[str]) -> str:
    """What the app may do in the workspace."""
    if not lacking:
        return f"all {held} permissions are there"
    return (
        f"The app lacks {listed(lacking)}. Add what is missing (OAuth & Permissions, Bot Token Scopes, or paste configs/slack-manifest.json "
        "again) and reinstall the app."
    )


def slack_refused(error: str) -> str:
    """Slack does not take a token; `error` is its name for why."""
    if error in ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"):
        return (
            f"Slack does not accept a token ({error}). Copy both again: SLACK_BOT_TOKEN begins with xoxb- (OAuth & Permissions), "
            "SLACK_APP_TOKEN with xapp- and has the scope connections:write (Basic Information, App-Level Tokens)."
        )
    return f"Slack does not let the app in ({error}). `tutee doctor` checks the tokens and what they allow."


def file_elsewhere(name: str) -> str:
    """A file's address leads away from Slack."""
    return f"{name} is not kept by Slack but elsewhere, so I did not fetch it. Upload it here."


def file_needs_scope(name: str) -> str:
    """Slack gave its login page in place of a file, which is what it does where the scope is missing."""
    return (
        f"Slack did not give me {name} but its login page: I lack the permission files:read. Whoever runs me has to add it and to install me again."
    )


def kind_skipped(what: str) -> str:
    """Something in a message that cannot be read at all."""
    return f"I cannot read {what}, so I left it out."
