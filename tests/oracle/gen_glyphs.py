"""Writes the glyphs that charts are lettered with in PNG: DejaVu Sans, drawn once, so that no font is needed to draw a chart.

Usage: gen_glyphs.py REGULAR.ttf BOLD.ttf OUTPUT        (needs the package pillow)

Output: a zlib stream of little-endian numbers. u8 faces; per face u8 pixels of the em, u8 ascent, u16 glyphs; per glyph
u32 code point, u16 advance in sixteenths of a pixel, i8 left, i8 top (below the ascent line), u8 width, u8 height, and
width x height bytes of coverage.
"""

import struct
import sys
import zlib

from PIL import ImageFont

CHARACTERS = [chr(c) for c in range(32, 127)] + list("äöüÄÖÜßéèáàâêîôûçñ·–−×±→…’“”")


def face(path: str, size: int) -> bytes:
    font = ImageFont.truetype(path, size)
    ascent, _ = font.getmetrics()
    data = struct.pack("<BBH", size, ascent, len(CHARACTERS))
    for character in CHARACTERS:
        left, top, right, bottom = font.getbbox(character)
        mask = font.getmask(character, mode="L")
        width, height = mask.size
        advance = round(font.getlength(character) * 16)
        data += struct.pack("<IHbbBB", ord(character), advance, left, top, width, height) + bytes(mask)
    return data


def main() -> None:
    regular, bold, output = sys.argv[1:]
    faces = [face(regular, 24), face(bold, 28)]
    with open(output, "wb") as file:
        file.write(zlib.compress(bytes([len(faces)]) + b"".join(faces), 9))


main()
