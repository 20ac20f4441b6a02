"""Every sentence that a user sees."""

from bot.texts.chat import *
from bot.texts.exported import *
from bot.texts.lessons import *
from bot.texts.owning import *
from bot.texts.platforms import *
from bot.texts.sharing import *
