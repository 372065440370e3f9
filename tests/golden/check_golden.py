#!/usr/bin/python3
"""Checks the wire bytes in golden.txt and in proto/PROTOCOL.md against an implementation of MessagePack that is not ours.

usage: check_golden.py [--write] GOLDEN [PROTOCOL]

Each example is bytes and what they mean, as a Python literal. The bytes must decode to the literal and the literal encode to the
same bytes: so the meaning is right and every value in its shortest form. --write writes GOLDEN anew with the bytes that the
literals encode to, for when a literal was added or changed.

GOLDEN has examples of this form, with # for comments; the bytes and the literal may take several lines:

    name of the example
        94 00 01 a4 70 69 6e 67 90
        [0, 1, "ping", []]

PROTOCOL has fenced blocks whose info string is `hex`, of lines `C: bytes` or `S: bytes`, each followed by an indented literal; and
some whose info string is `brief`: there integers are not in their shortest form, so that the bytes decode to the literal only.
"""
import ast
import os
import re
import sys
import textwrap

import msgpack  # Debian: python3-msgpack

HEX_LINE = re.compile(r"[0-9a-f]{2}( [0-9a-f]{2})*$")
RESPONSE, NOTIFICATION = 1, 2


class Example:
    def __init__(self, place, name, is_brief=False):
        self.place, self.name, self.is_brief, self.hex, self.literal = place, name, is_brief, [], []

    def add(self, line):
        """Bytes come first; where the literal has begun, everything is of it."""
        is_hex = not self.literal and HEX_LINE.match(line)
        (self.hex if is_hex else self.literal).append(line)

    def meaning(self):
        return ast.literal_eval("\n".join(self.literal))

    def encoded(self):
        return msgpack.packb(self.meaning(), use_bin_type=True)


def read_golden(path):
    examples = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            if not line[0].isspace():
                examples.append(Example(f"{path}:{number}", line))
            elif examples:
                examples[-1].add(line.strip())
            else:
                raise ValueError(f"{path}:{number}: an example begins with its name")
    return examples


def read_protocol(path):
    examples, inside = [], False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if line.startswith("```"):
                inside = not inside and line[3:].strip() in ("hex", "brief")
                is_brief = inside and line[3:].strip() == "brief"
            elif inside and line[:2] in ("C:", "S:"):
                examples.append(Example(f"{path}:{number}", line[0], is_brief))
                examples[-1].add(line[2:].strip())
            elif inside and line.strip():
                if not line[0].isspace() or not examples:
                    raise ValueError(f"{path}:{number}: neither 'C:', 'S:' nor an indented literal")
                examples[-1].add(line.strip())
    return examples


def sender_problem(example):
    """The side that may not send it, where PROTOCOL says who does."""
    if example.name == "C" and example.meaning()[0] == RESPONSE:
        return "a client sends no responses"
    if example.name == "S" and example.meaning()[0] not in (RESPONSE, NOTIFICATION):
        return "the daemon sends no requests"
    return None


def problems(example):
    try:
        data = bytes.fromhex("".join(example.hex))
        meaning = example.meaning()
        decoded = msgpack.unpackb(data, raw=False, strict_map_key=False)
        encoded = example.encoded()
    except (ValueError, SyntaxError, msgpack.exceptions.UnpackException) as error:
        yield f"{type(error).__name__}: {error}"
        return
    if repr(decoded) != repr(meaning):
        yield f"decodes to {decoded!r}"
    if encoded != data and not example.is_brief:
        yield f"is to be {encoded.hex(' ')}"
    if sender_problem(example):
        yield sender_problem(example)


def write(path, examples):
    """The examples with their bytes made anew; comments and literals stay."""
    by_place = {example.place: example for example in examples}
    lines, skip_hex = [], False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            example = by_place.get(f"{path}:{number}")
            if example:
                lines.append(line)
                lines += [f"    {part}\n" for part in textwrap.wrap(example.encoded().hex(" "), 119)]
                skip_hex = True
            elif not (skip_hex and HEX_LINE.match(line.strip())):
                skip_hex = False
                lines.append(line)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)


def check(path, examples):
    count = 0
    for example in examples:
        for problem in problems(example):
            print(f"{example.place}: {example.name}: {problem}", file=sys.stderr)
            count += 1
    if not examples:
        print(f"{path}: there are no examples", file=sys.stderr)
        count += 1
    return len(examples), count


def main(arguments):
    if arguments[:1] == ["--write"]:
        write(arguments[1], read_golden(arguments[1]))
        return 0
    examples = read_golden(arguments[0])
    names = [example.name for example in examples]
    total, failed = check(arguments[0], examples)
    for name in {name for name in names if names.count(name) > 1}:
        print(f"{arguments[0]}: two examples are called '{name}'", file=sys.stderr)
        failed += 1
    for path in arguments[1:]:
        if os.path.exists(path):
            more, bad = check(path, read_protocol(path))
            total, failed = total + more, failed + bad
    results = os.environ.get("TEST_RESULTS")
    if results:
        with open(results, "a", encoding="utf-8") as file:
            file.write(f"{os.environ['TEST_SUITE']} {max(total - failed, 0)} {failed} 0\n")
    print(f"{'golden bytes':24} {max(total - failed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
