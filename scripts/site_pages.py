"""Pages of the site that do not lie in docs/: the README as its start, and the CHANGELOG.

A hook of mkdocs. Links of both kinds of page are those of the repository; here they are turned
into those of the site, and what the site does not hold is left as plain text.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
START = "index.md"
_OUTSIDE = {START: "README.md", "CHANGELOG.md": "CHANGELOG.md"}
#: What the theme would fetch from elsewhere so that search works without a server.
_FOREIGN_WORKER = re.compile(r'<script src="https://unpkg.com/iframe-worker/shim"></script>')
_LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    for name, source in _OUTSIDE.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    return files


def on_post_page(output: str, page: Any, **_rest: Any) -> str:
    up = "../" * page.url.count("/")
    return _FOREIGN_WORKER.sub(f'<script src="{up}assets/file-worker.js"></script>', output)


def on_post_template(output_content: str, template_name: str, **_rest: Any) -> str:
    if template_name == "404.html":
        return ""  # a server's page; the site is opened as files
    return _FOREIGN_WORKER.sub("", output_content)


def on_page_markdown(markdown: str, files: Any, **_rest: Any) -> str:
    held = {file.src_uri for file in files}

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if not target or "://" in target:
            return found[0]
        name = target.removeprefix("../").removeprefix("docs/")
        name = START if name == "README.md" else name
        return f"[{text}]({name}{anchor})" if name in held else text

    return _LINK.sub(link, markdown)
