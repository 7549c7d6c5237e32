"""Text for people: in colour on a terminal, byte for byte the same text elsewhere."""

from rich.console import Console
from rich.text import Text

_STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "NOT CAUGHT": "bold red",
    "WRONG": "bold red",
    "WORSE": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "ACCEPTED": "bold green",
    "REJECTED": "bold red",
    "UNDECIDED": "bold yellow",
}


def print_coloured(text: str) -> None:
    """Print `text` as it is, with the words for outcomes in their colours."""
    coloured = Text(text)
    for word, style in _STYLES.items():
        coloured.highlight_regex(rf"\b{word}\b", style)
    Console(soft_wrap=True).print(coloured, end="")
