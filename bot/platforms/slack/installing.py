"""How a workspace comes to have the app: it is asked in a browser, and its token is kept."""

from __future__ import annotations

import logging

import aiohttp
from slack_bolt.authorization.async_authorize import AsyncInstallationStoreAuthorize
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.web.async_client import AsyncWebClient

from bot import texts
from bot.platforms.slack.access import Access
from bot.platforms.slack.installations import STATE_SECONDS, Installations, States
from bot.platforms.slack.manifest import scopes
from trainer.settings import SlackSettings

log = logging.getLogger(__name__)

INSTALL, BACK = "/slack/install", "/slack/oauth_redirect"


class NotListed(BoltError):
    """The configuration names the workspaces that are served, and this is none of them."""


class Flow(AsyncOAuthFlow):
    """Bolt's, for listed workspaces only."""

    access: Access

    async def run_installation(self, code: str) -> Installation | None:
        """What Slack gives for the code; None where it gives nothing."""
        try:
            return await super().run_installation(code)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("an installation could not be completed, error=%s", type(error).__name__)
            return None

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        """Keep it. Raises NotListed."""
        if not self.access.serves(installation.team_id or ""):
            raise NotListed(f"{installation.team_id} is not listed")
        await super().store_installation(request, installation)


def flow(
    settings: SlackSettings, client: AsyncWebClient, installations: Installations, states: States, access: Access, authorize_url: str
) -> AsyncOAuthFlow:
    """The two pages of an installation, at INSTALL and BACK."""
    public = (settings.public_url or "").rstrip("/")
    told = AsyncOAuthSettings(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        scopes=scopes(),
        user_scopes=[],
        redirect_uri=f"{public}{BACK}",
        install_path=INSTALL,
        install_page_rendering_enabled=False,  # Bolt's page would only have a button that leads on
        redirect_uri_path=BACK,
        authorization_url=authorize_url,
        installation_store=installations,
        installation_store_bot_only=True,
        state_store=states,
        state_expiration_seconds=STATE_SECONDS,
        callback_options=AsyncCallbackOptions(_succeeded, _failed),
        logger=log,
    )
    told.authorize = AsyncInstallationStoreAuthorize(
        logger=log,
        installation_store=installations,
        bot_only=True,
        cache_enabled=True,  # or every event would first cost a call of auth.test
        client=client,
    )
    made = Flow(client=client, settings=told, logger=log)
    made.access = access
    return made


async def _succeeded(args: AsyncSuccessArgs) -> BoltResponse:
    return await args.default.success(args)


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    if isinstance(args.error, NotListed):
        return BoltResponse(status=403, body=texts.SLACK_NOT_LISTED, headers={"Content-Type": "text/plain; charset=utf-8"})
    return await args.default.failure(args)
