r"""SQL functions that read post texts: hashtags, their folding, LinkedIn's little text, X's texts.

Every character class is written out as code points of Python's `unicodedata`, because what `\w`, `[[:alpha:]]` and
`lower()` mean depends on a database's locale. All functions are immutable, parallel safe and strict.

Sources: X's rules of a hashtag https://github.com/twitter/twitter-text (2.0, `extractHashtags`), LinkedIn's text
format https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format and X's
entities https://docs.x.com/x-api/fundamentals/data-dictionary.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable
from string import Template

# twitter-text's hashtagSpecialChars: joiners, and points inside Hebrew, Tibetan, Japanese and Catalan words.
SPECIALS = "_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"
# A `#` in front of one of these is an emoji (the keycap #️⃣), not a tag.
KEYCAP = "\ufe0f\u20e3"
# What LinkedIn writes with a backslash in front; a backslash before anything else is a backslash.
RESERVED = "\\|{}@[]()<>#*_~"
# Noncharacters, which no text may hold (Unicode 23.7): they stand for an escaped character while a text is read.
STANDINS = "".join(chr(0xFDD0 + index) for index in range(len(RESERVED)))
OPEN, CLOSE = "\ufdee", "\ufdef"
# twitter-text's latinAccentChars and cyrillicLettersAndMarks: what a URL's path may hold besides ASCII.
PATH_LETTERS = (
    r"A-Za-z0-9\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272"
    r"\u0289\u02bb\u0300-\u036f\u1e00-\u1eff\u0400-\u04ff"
)
INVALID = r"\ufffe\ufeff\uffff"


def class_of(belongs: Callable[[str], bool]) -> str:
    """Return the inside of a bracket expression with every code point that belongs, as ranges of escapes."""
    ranges: list[tuple[int, int]] = []
    for point in range(1, sys.maxunicode + 1):
        if 0xD800 <= point <= 0xDFFF or not belongs(chr(point)):
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1] = (ranges[-1][0], point)
        else:
            ranges.append((point, point))
    return "".join(escape(low) if low == high else f"{escape(low)}-{escape(high)}" for low, high in ranges)


def escape(point: int) -> str:
    """Return a code point as PostgreSQL's regular expressions write it."""
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def literal(characters: Iterable[str]) -> str:
    """Return an SQL string of these characters, in ASCII."""
    return "U&'" + "".join(f"\\+{ord(character):06x}" for character in characters) + "'"


def is_letter_or_mark(character: str) -> bool:
    """Tell whether a tag that holds this character is more than a number."""
    return unicodedata.category(character)[0] in "LM"


def is_tag_character(character: str) -> bool:
    """Tell whether a tag may hold this character."""
    return is_letter_or_mark(character) or unicodedata.category(character) == "Nd" or character in SPECIALS


def foldings() -> dict[str, str]:
    """Return the full case folding (Unicode 3.13, as str.casefold) of every non-ASCII character that has one."""
    characters = (chr(point) for point in range(128, sys.maxunicode + 1))
    return {character: character.casefold() for character in characters if character.casefold() != character}


def spaces() -> str:
    """Return every character of white space, as str.isspace has it."""
    return "".join(chr(point) for point in range(1, sys.maxunicode + 1) if chr(point).isspace())


def url_pattern() -> str:
    """Return the pattern of a URL together with the character before it, as twitter-text reads URLs.

    In place of its list of top-level domains, which ages, any word of two letters or more will do.
    """
    blank = class_of(str.isspace)
    directions = r"\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
    foreign = rf"!'#%&()*+,\\./:;<=>?@\[\]\^{{|}}~${blank}{directions}{INVALID}"
    end = rf"[^\-_{foreign}]"
    label, name = rf"{end}(?:[^{foreign}]*{end})?", rf"{end}(?:[^_{foreign}]*{end})?"
    top = r"(?:[A-Za-z]{2,}|[Xx][Nn]--[-0-9A-Za-z]+|[\u00a1-\u1fff\u2c00-\ud7ff\uf900-\uffef]{2,})"
    domain = rf"(?:{label}\.)*{name}\.{top}"
    inner = rf"[{PATH_LETTERS}!*';:=+,.$/%#\[\]\-\u2013_~@|&]"
    parentheses = rf"\((?:{inner}+|{inner}*\({inner}+\){inner}*)\)"
    path = rf"(?:/(?:{inner}*(?:{parentheses}{inner}*)*(?:[{PATH_LETTERS}+\-=_#/]|{parentheses})|@{inner}+/)*)?"
    query = r"(?:\?[A-Za-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[A-Za-z0-9\-_&=#/])?"
    tail = rf"(?::[0-9]+)?{path}{query}"
    scheme = "[Hh][Tt][Tt][Pp][Ss]?://"
    before = rf"A-Za-z0-9@\uff20$#\uff03{INVALID}"
    with_scheme = rf"{scheme}(?:[Tt]\.[Cc][Oo]/[A-Za-z0-9]+{query}|(?![Tt]\.[Cc][Oo]/[A-Za-z0-9]){domain}{tail})"
    without = rf"(?:[-A-Za-z0-9\u00c0-\u024f]+\.)+[A-Za-z]{{2,}}{tail}"
    return rf"(?:^|[^{before}]){with_scheme}|(?:^|[^{before}\-_./]){without}"


HASHTAGS = r"""
create function ops.hashtags(plain_text text) returns text[]
    language plpgsql immutable strict parallel safe
as $function$
declare
    source text collate "C" := plain_text;
    url text collate "C";
    piece text collate "C";
    tag text collate "C";
    tags text[] := '{}';
    open_before boolean := false;  -- whether the character in front of this `#` lets a tag begin
    is_last boolean;
    number integer := 0;
    pieces text[];
begin
    if strpos(source, '#') = 0 and strpos(source, $full_width) = 0 then
        return tags;
    end if;
    if source ~ '[/?][^$blank]*#' then
        -- A `#` inside a URL begins no tag.
        for url in select hit[1] from regexp_matches(source, '($url)', 'g') as hit where hit[1] ~ '[^#].*#' loop
            source := replace(source, url, left(url, 1) || replace(substr(url, 2), '#', '/'));
        end loop;
    end if;
    pieces := string_to_array(replace(source, $full_width, '#'), '#');
    foreach piece in array pieces loop
        number := number + 1;
        is_last := number = cardinality(pieces);
        tag := null;
        if open_before then
            tag := substring(piece from '^[$first][$inside]*');
            if tag !~ '[$letter]' then
                tag := null;
            end if;
        end if;
        if tag is not null and (tag <> piece or is_last) and substr(piece, length(tag) + 1, 3) <> '://' then
            tags := tags || tag;
        end if;
        -- Variation selectors are marks, but an emoji ends with one; a tag that took it has used it up.
        open_before := piece = '' or right(piece, 1) !~ '[&$closed]'
            or (right(piece, 1) ~ '[\ufe0e\ufe0f]' and tag is distinct from piece);
    end loop;
    return tags;
end
$function$;
comment on function ops.hashtags(text) is
    'The hashtags of a plain text without #, in order, spelled as written, repeated as written; rules of X.';
"""

FOLD_HASHTAG = r"""
create function ops.fold_hashtag(tag text) returns text
    language plpgsql immutable strict parallel safe
as $function$
declare
    folded text collate "C" := tag;
    character text collate "C";
begin
    if octet_length(folded) = char_length(folded) then
        return lower(folded);
    end if;
    folded := lower(normalize(folded, nfc) collate "C");
    loop
        character := substring(folded from '[$foldable]');
        exit when character is null;
        folded := replace(folded, character, '$foldings'::jsonb ->> character);
    end loop;
    return normalize(folded, nfc);
end
$function$;
comment on function ops.fold_hashtag(text) is
    'NFC and Unicode full case folding: two spellings of one hashtag fold to the same text.';
"""

LINKEDIN = r"""
create function ops.linkedin_marked(commentary text) returns text
    language plpgsql immutable strict parallel safe
as $function$
declare
    marked text collate "C" := commentary;
    character text collate "C";
begin
    if marked ~ '[\ufdd0-\ufdef]' then
        marked := regexp_replace(marked, '[\ufdd0-\ufdef]', $replacement, 'g');
    end if;
    if strpos(marked, '\') = 0 and strpos(marked, '{hashtag|') = 0 and strpos(marked, '@[') = 0 then
        return marked;
    end if;
    -- An escaped character takes part in no markup, so it steps aside first; the backslash before all others.
    character := '\';
    while strpos(marked, '\') > 0 and character is not null loop
        marked := replace(marked, '\' || character, chr($standins + strpos('$reserved', character)));
        character := substring(marked from '\\([$escapable])');
    end loop;
    if strpos(marked, '{hashtag|') > 0 then
        marked := regexp_replace(
            marked, '\{hashtag\|\\?[#\uff03$escaped_hash]\|([^|}]*)\}', $open || '\1' || $close, 'g'
        );
    end if;
    if strpos(marked, '@[') > 0 then
        marked := regexp_replace(marked, '@\[([^\]]*)\] ?\(urn:li:[^)$blank]+\)', '\1', 'g');
    end if;
    character := substring(marked from '[$escaped]');
    while character is not null loop
        marked := replace(marked, character, substr('$reserved', ascii(character) - $standins, 1));
        character := substring(marked from '[$escaped]');
    end loop;
    return marked;
end
$function$;
comment on function ops.linkedin_marked(text) is
    'Little text decoded, each hashtag template between U+FDEE and U+FDEF; for the two functions built on it.';

create function ops.linkedin_text(commentary text) returns text
    language sql immutable strict parallel safe
return rtrim(translate(ops.linkedin_marked(commentary), $open || $close, '#'), $spaces);
comment on function ops.linkedin_text(text) is
    'A commentary as people read it: templates, mentions and escapes of little text decoded, right-trimmed.';

create function ops.linkedin_hashtags(commentary text) returns text[]
    language plpgsql immutable strict parallel safe
as $function$
declare
    pieces text[] := string_to_array(ops.linkedin_marked(commentary), $open);
    piece text collate "C";
    plain text collate "C";
    found text[] := '{}';
    folded text collate "C";
    tag text collate "C";
    tags text[] := '{}';
    folds text[] := '{}';
    number integer := 0;
begin
    foreach piece in array pieces loop
        number := number + 1;
        plain := piece;
        if number > 1 then
            found := found || nullif(split_part(piece, $close, 1), '');
            -- A template reads as a word in front of what follows it.
            plain := 'a' || split_part(piece, $close, 2);
        end if;
        if strpos(plain, '#') > 0 or strpos(plain, $full_width) > 0 then
            -- The `#` of the next template ends a plain tag in front of it, as the rules of X have it.
            found := found || ops.hashtags(plain || case when number < cardinality(pieces) then '#' else '' end);
        end if;
    end loop;
    foreach tag in array found loop
        folded := ops.fold_hashtag(tag);
        if tag is not null and folded <> all (folds) then
            folds := folds || folded;
            tags := tags || tag;
        end if;
    end loop;
    return tags;
end
$function$;
comment on function ops.linkedin_hashtags(text) is
    'The hashtags of a commentary, templates and plain ones, in order, each once by its folding.';
"""

TWITTER = r"""
create function ops.twitter_text(post jsonb) returns text
    language plpgsql immutable strict parallel safe
as $function$
declare
    -- Over 280 characters `text` is cut; `note_post` is the newer spelling, and was seen empty.
    note jsonb := case
        when post #>> '{note_tweet,text}' <> '' then post -> 'note_tweet'
        when post #>> '{note_post,text}' <> '' then post -> 'note_post'
    end;
    body text collate "C" := coalesce(note, post) ->> 'text';
    urls jsonb := coalesce(note, post) #> '{entities,urls}';
    link record;
    links text[] := '{}';
begin
    if strpos(body, '&') > 0 then
        body := replace(replace(replace(body, '&lt;', '<'), '&gt;', '>'), '&amp;', '&');
    end if;
    if jsonb_typeof(urls) = 'array' then
        -- Two steps, so that an address put in is never itself taken for a link; long ones first, none is a prefix.
        for link in
            select
                entity ->> 'url' as short,
                coalesce(entity ->> 'expanded_url', entity ->> 'url') as expanded
            from jsonb_array_elements(urls) as entity
            where entity ->> 'url' <> ''
            order by length(entity ->> 'url') desc
        loop
            links := links || case
                when link.expanded ~ '/status/[0-9]+/(photo|video)/[0-9]+$' then '' else link.expanded
            end;
            body := replace(body, link.short, $open || cardinality(links) || $close);
        end loop;
        for number in 1..cardinality(links) loop
            body := replace(body, $open || number || $close, links[number]);
        end loop;
    end if;
    return rtrim(body, $spaces);
end
$function$;
comment on function ops.twitter_text(jsonb) is
    'A post as people read it: the long text whole, entities unescaped, links written out, media links left out.';
"""


def create_statements() -> list[str]:
    """Return the statements that create the functions in the schema `ops`, in order."""
    letter, inside = class_of(is_letter_or_mark), class_of(is_tag_character)
    folding = foldings()
    values = {
        "blank": class_of(str.isspace),
        "close": literal(CLOSE),
        "closed": inside,
        "escapable": "".join(f"\\{character}" for character in RESERVED),
        "escaped": f"{escape(ord(STANDINS[0]))}-{escape(ord(STANDINS[-1]))}",
        "escaped_hash": escape(ord(STANDINS[RESERVED.index("#")])),
        "first": class_of(lambda character: is_tag_character(character) and character not in KEYCAP),
        "foldable": class_of(folding.__contains__),
        "foldings": json.dumps(folding).replace("'", "''"),
        "full_width": literal("\uff03"),
        "inside": inside,
        "letter": letter,
        "open": literal(OPEN),
        "replacement": literal("\ufffd"),
        "reserved": RESERVED,
        "spaces": literal(spaces()),
        "standins": str(ord(STANDINS[0]) - 1),
        "url": url_pattern().replace("'", "''"),
    }
    # `$function$` is SQL's own quote and stays as it is.
    return [
        Template(body).safe_substitute(values, function="$function")
        for body in (HASHTAGS, FOLD_HASHTAG, LINKEDIN, TWITTER)
    ]
