"""All tables; importing this module fills `Base.metadata`."""

from storage.models.adapters import Adapter
from storage.models.base import Base
from storage.models.exchanges import Conversation, Exchange
from storage.models.feedback import Feedback
from storage.models.lessons import Example, Lesson
from storage.models.packs import Pack
from storage.models.rebuilds import Rebuild
from storage.models.sources import Part, Source
from storage.models.users import Consent, Identity, User
from storage.models.workspaces import SlackBot, SlackInstallation, SlackState

__all__ = [
    "Adapter", "Base", "Consent", "Conversation", "Example", "Exchange", "Feedback", "Identity", "Lesson", "Pack", "Part", "Rebuild",
    "SlackBot", "SlackInstallation", "SlackState", "Source", "User",
]  # fmt: skip
