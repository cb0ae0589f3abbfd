"""A table as CSV, Markdown, LaTeX and text for a terminal: pure functions to strings."""

import csv
import dataclasses
import io
import math


@dataclasses.dataclass(frozen=True)
class Block:
    """A table for reading: a title, column names, rows of strings, and a sentence below."""

    title: str
    header: tuple
    rows: tuple
    note: str = ""


def number(value, digits=4):
    """Return a number as text: "" for NaN, integers as they are, never "-0.0"."""
    if isinstance(value, str) or isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return ""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def signed(value, digits=1):
    """Return a difference with its sign, such as +1.2 or -0.4; zero is +0.0."""
    text = number(value, digits)
    return text if text.startswith("-") else f"+{text}"


def difference(mean, low, high, digits=1):
    """Return a difference and half the width of its interval, a * where that excludes 0: +1.2* ± 0.4."""
    if math.isnan(low):
        return signed(mean, digits)
    mark = "*" if low > 0 or high < 0 else ""
    return f"{signed(mean, digits)}{mark} ± {number((high - low) / 2, digits)}"


def csv_text(rows, columns=()):
    """Return dicts of equal keys as CSV with a header and plain line ends; columns: their keys, if there is no row."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0] if rows else columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: number(value) for key, value in row.items()} for row in rows)
    return stream.getvalue()


def markdown(title, blocks):
    """Return blocks as a Markdown page: a heading, a table and a sentence each."""
    parts = [f"# {title}\n"]
    for block in blocks:
        lines = [f"## {block.title}", "", _pipe(block.header)]
        lines.append(_pipe(["---"] + ["--:"] * (len(block.header) - 1)))
        lines += [_pipe(row) for row in block.rows]
        parts.append("\n".join(lines) + "\n")
        if block.note:
            parts.append(block.note + "\n")
    return "\n".join(parts)


def _pipe(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


def tex_escape(text):
    """Return text that LaTeX prints as it stands."""
    return "".join(ESCAPES.get(letter, letter) for letter in str(text))


def latex(blocks):
    """Return blocks as LaTeX tables (needs the package booktabs), one float each."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(_float(block) for block in blocks)


def _float(block):
    columns = "l" + "r" * (len(block.header) - 1)
    lines = [_tex_row(row) for row in block.rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{tex_escape(f'{block.title}. {block.note}'.strip())}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _tex_row(block.header),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex_row(cells):
    return " & ".join(tex_escape(cell) for cell in cells) + r" \\"


def text(blocks):
    """Return blocks as aligned text for a terminal: first column left, others right."""
    return "\n".join(_aligned(block) for block in blocks)


def _aligned(block):
    table = [block.header, *block.rows]
    widths = [max(len(str(row[i])) for row in table) for i in range(len(block.header))]
    lines = [block.title]
    for row in table:
        cells = [str(cell).rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = str(row[0]).ljust(widths[0])
        lines.append("  ".join(cells).rstrip())
    lines.insert(2, "-" * max(map(len, lines[1:])))
    return "\n".join(lines + ([block.note] if block.note else [])) + "\n"
