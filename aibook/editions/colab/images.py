"""Pictures in the text: embedded, so that the one notebook shows them wherever it is opened."""

import base64
import mimetypes
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aibook import house
from aibook.editions.colab.parsing import FlattenError

if TYPE_CHECKING:
    from aibook.editions.colab.flatten import Page


def address(source: str, page: "Page") -> str:
    """Address under which a picture named in the text of `page` can be shown: its own, the site's, or its bytes.

    Colab's text cells take pixels as a data address, as its own editor writes them; drawings come from the site.
    """
    if source.startswith(("http://", "https://", "data:", "attachment:")):
        return source
    file = page.library.file(unquote(source), page.name)
    if not file:
        raise FlattenError(f"there is no picture `{source}`")
    if file.suffix == ".svg":
        from aibook.site.editions import EDITIONS

        return f"{house.site_url()}/{EDITIONS[page.language].folder}/_images/{file.name}"
    kind = mimetypes.guess_type(file.name)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def markdown(source: str, alt: str, page: "Page") -> str:
    """A picture as Markdown."""
    return f"![{alt.replace('[', '(').replace(']', ')')}]({address(source, page)})"
