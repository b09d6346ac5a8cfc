#!/usr/bin/env python3
"""What Doxygen reads in the place of a header: the tags of this repository in its own words, without the inline namespace."""
import html
import re
import sys

SPECIAL = r"\s*(~\w+\(\)|(\w+)\((const )?\2\s*&&?( other| o)?\)|\w+& operator=\((const )?\w+\s*&&?( other| o)?\))"
TITLES = {"errors": "Errors", "cost": "Cost", "shape": "Shape", "source": "Source", "units": "Units"}


FIELD = "See the description of the whole."

# Names that mean the same in every class.
USUAL = {
    r"(size|tokens|rows|columns|matrices)\(\) const": "How many there are.",
    r"empty\(\) const": "Whether there is nothing in it.",
    r"data\(\)": "Where its memory begins.",
    r"(bytes|elements|view|row|begin|end)\([^)]*\)( const)?( &)?( noexcept)? [{;]": "What it holds, without a copy.",
    r"explicit operator bool|has_value\(\)": "Whether there is a value.",
    r"(using (value_type|element_type|difference_type|result_type)|constexpr std::size_t rank)\b": "As the standard library names it.",
    r"constexpr std::string_view name\b": "How text and files name it.",
    r"(static )?(constexpr )?result<\w+> from_text\(": "Reads its setting from text, as the registry of samplers does.",
    r"void operator\(\)\(candidates& c": "The step itself.",
    r"(friend )?(constexpr )?(bool|auto) operator(==|<=>)\(": "Compares all that it holds.",
    r"static constexpr result_type (min|max)\(": "The range of the numbers, as the standard library asks for it.",
}


def usual(line):
    """The sentence of a declaration that needs none of its own."""
    if re.match(SPECIAL, line):
        return "What every class of values has."
    if re.match(r"\s+(static constexpr |constexpr )?(?!using|return|friend|typename|case|static_assert|auto|template|enum|struct|class)(const |unsigned )?[\w:]+(<[^;(]*>)?(( const)?[\s*&]+)\w+( = [^;]*|\{[^;]*\})?;\s*(//(?!/<).*)?$", line):
        return FIELD
    return next((s for name, s in USUAL.items() if re.search(name, line) and not re.match(r"\s*(return|//)", line)), None)


def split_declaration(line):
    """`int a, b;  ///< text` as one declaration a line, for the text is of all."""
    m = re.match(r"(\s+)((?:const )?[\w:]+(?:<[^;=]*>)?(?: const)?)(\*?) ([\w*]+(?: = [^,;(){}]+)?(?:, \*?\w+(?: = [^,;(){}]+)?)+);\s*(///<.*)?", line)
    if not m or m[2] in ("using", "return"):
        return line
    text = m[5] or "///< " + FIELD
    return "\n".join(f"{m[1]}{m[2]}{m[3]} {d};  {text}" for d in m[4].split(", "))


def escaped(line):
    """Text as Doxygen shall show it: nothing outside of code is a command, a link or HTML."""
    if line.startswith("    "):
        return line
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(f"<tt>{html.escape(p[1:-1], quote=False)}</tt>" if p.startswith("`") else re.sub(r"[\\@<>#&]|::(?=\w)", lambda m: "\\" + m[0], p) for p in parts)


def paragraph(lines):
    """One documented block, its `///` taken off."""
    out, code = [], False
    for line in lines:
        tag = re.match(r"\s*@(\w+)\s*(.*)", line)
        if tag and code:
            out.append("\\endcode")
            code = False
        if tag and tag[1] == "example":
            out += ["\\par Example", "\\code{.cpp}", tag[2]]
            code = True
        elif tag and tag[1] in TITLES:
            out += [f"\\par {TITLES[tag[1]]}", escaped(tag[2])]
        elif tag:
            out.append(line)
        else:
            out.append(escaped(line) if not code else re.sub(r"^ {0,10}", "", line))
    return out + (["\\endcode"] if code else [])


def filtered(text):
    """What stands under one comment, up to an empty line, is a group that shares it."""
    out, block, head, depth, group, throwing = [], [], True, 0, None, False
    lines = text.split("\n") + [""]
    for i, line in enumerate(lines):
        comment = re.match(r"(\s*)/// ?(?!<)(.*)", line)
        if group is not None and depth <= group and (not line.strip() or comment or re.match(r"\s*(\}|public:|private:|protected:)|#if NIBBLE_EXCEPTIONS", line)):
            out.append("///@}")
            group = None
        if comment and not line.lstrip().startswith("///<"):
            block.append(comment[2])
            continue
        if block:
            made = (["\\file"] if head else []) + paragraph(block)
            out.append("/** " + "\n".join(made).replace("*/", "* /") + "\n*/")
            block = []
            declared = re.split(r"[{;]", " ".join(lines[i : i + 8]))[0]
            if not head and not re.search(r"(?<![<,] )(?<!<)\b(class|struct|concept|enum|union|namespace)\s", declared):
                out.insert(len(out) - 1, "///@{")
                group = depth
        elif group is None and depth > 0 and usual(line):
            out.append(f"/** {usual(line)} */")
        elif group is None and throwing and re.match(r" {0,2}(template|\w.*\()", line) and out[-1].rstrip().endswith(("{", "}", ";", "EXCEPTIONS")):
            out.append("/** As its twin whose name begins with try_, but it throws the error. */")
        head = head and not line.strip()
        if re.match(r"\s*(inline namespace NIBBLE_(KERNELS_)?ABI \{|\}  // namespace NIBBLE_(KERNELS_)?ABI)", line):
            line = ""
        throwing = line.startswith("#if NIBBLE_EXCEPTIONS") or (throwing and not line.startswith("#endif"))
        line = line.replace(" protected:", " private:")
        bare = re.sub(r'//.*|"(\\.|[^"])*"|\'(\\.|[^\'])\'', "", line)
        depth += bare.count("{") - bare.count("}")
        out.append(split_declaration(line))
    return "\n".join(out)


if __name__ == "__main__":
    sys.stdout.write(filtered(open(sys.argv[1], encoding="utf-8").read()))
