"""Every code the program says is listed with what it means, and every code that is listed is said.

    check.py

The lists are `codes.rs` of each connector and of the sdk, and `src/codes/program.rs`. A code is what the sources give
for a parameter or field named `code`, what a method `code` gives, and what stands first in a pair with words. The sources
are read as text, so the finder is tried on a sample of every form first.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What says nothing to users: tests, doubles, the demo's generator, and the lists themselves.
SILENT = {"tests", "testing", "fixtures", "conformance", "simulation", "month", "codes", "demo"}
# Taken for codes, and none: names of fields and of JSON keys.
NO_CODES = {"code", "error", "email_type", "ip_opt", "ip_signup", "timestamp_opt", "timestamp_signup"}

LITERAL = re.compile(r'"([a-z][a-z0-9_]*)"')
LISTED = re.compile(r'code\(\s*"([a-z0-9_]+)"')
FUNCTION = re.compile(r"fn (\w+)(?:<[^>]*>)?\(")
CLOSURE = re.compile(r"let (\w+) = (?:move )?\|([^|]*)\|")
CALL = re.compile(r"(?:\b(\w+)::)?\b(\w+)\(")
FIELD = re.compile(r"\bcode: ")
METHOD = re.compile(r"fn code\(&?self\)[^{]*\{")
PAIR = re.compile(r'\(\s*"([a-z][a-z0-9]*(?:_[a-z0-9]+)+)"(?:\.into\(\))?,\s*(?:format!\(\s*)?"[^"]* ')
CONSTANT = re.compile(r'const ([A-Z_]+): &str = "([a-z][a-z0-9_]*)";')
TYPE = re.compile(r"\s*(&|String|impl\b|Option<|[iu]\d+\b)")

SAMPLE = """
const REFUSED: &str = "by_constant";
fn refused(code: &str, words: &str) -> X { X { code: code.to_owned() } }
fn a() { ConnectorError::new(ErrorKind::RateLimited { scope, after: None }, "by_call", "words"); }
fn b() { refused("by_function", "words"); refused(if x { "by_this" } else { "by_that" }, "words"); }
fn c() { let tell = |code, words: &str| e(code); tell("by_closure", "words"); }
fn d() { X { code: REFUSED.into() }; Y { code: "by_field".into() } }
fn code(&self) -> &str { match self { A => "by_method", B => "by_other_method" } }
fn f() { let (code, words) = match status { 401 => ("by_pair", "some words"), _ => ("by_format", format!("some {x}")) }; }
"""
SAID = {"by_constant", "by_call", "by_function", "by_this", "by_that", "by_closure", "by_field", "by_method",
        "by_other_method", "by_pair", "by_format"}


def sources(folder: Path) -> dict:
    """The Rust files that run for users, without their tests and comments."""
    found = {}
    for path in sorted(folder.rglob("*.rs")):
        if not SILENT & {path.stem, *path.relative_to(folder).parts}:
            text = path.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests {")[0]
            found[path] = re.sub(r"(?m)^\s*//.*$", "", text)
    return found


def arguments(text: str, start: int) -> list:
    """What stands between commas from `start`, right after an opening bracket, to its closing one."""
    depth, at, quoted, found, begin = 0, start, False, [], start
    while at < len(text):
        char = text[at]
        if quoted:
            if char == "\\":
                at += 1
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            if depth == 0:
                return [*found, text[begin:at]]
            depth -= 1
        elif char == "," and depth == 0:
            found.append(text[begin:at])
            begin = at + 1
        at += 1
    return found


def takers(texts) -> dict:
    """Where functions and closures take a code: name → position."""
    found = {}
    for text in texts:
        for match in FUNCTION.finditer(text):
            own = [one.strip() for one in arguments(text, match.end())]
            own = [one for one in own if one and not re.fullmatch(r"&?(mut )?self", one)]
            at = next((index for index, one in enumerate(own) if one.startswith("code: ")), None)
            if at is not None and match[1] != "new":
                found[match[1]] = at
        for match in CLOSURE.finditer(text):
            names = [one.split(":")[0].strip() for one in match[2].split(",")]
            if "code" in names:
                found[match[1]] = names.index("code")
    return found


def position(owner, name: str, known: dict):
    """Which argument of a call is a code."""
    if owner in ("ConnectorError", "Failure", "Refusal", "Fault") and name in ("new", "error", "warning"):
        return 1
    if owner in ("ConnectorError", "Failure") and name in ("config", "source") or owner == "Wrong" and name == "new":
        return 0
    return None if owner in ("Some", "Ok", "Err") or name == "new" else known.get(name)


def said(texts: dict) -> dict:
    """Every code the sources say, and where."""
    known = takers(texts.values())
    constants = dict(pair for text in texts.values() for pair in CONSTANT.findall(text))
    found = {}
    for path, text in texts.items():
        given = []
        for match in CALL.finditer(text):
            at = position(match[1], match[2], known)
            if at is not None and not text[:match.start()].endswith("fn "):
                given += arguments(text, match.end())[at:at + 1]
        given += [one for match in FIELD.finditer(text) for one in arguments(text, match.end())[:1] if not TYPE.match(one)]
        given += [one for match in METHOD.finditer(text) for one in arguments(text, match.end())]
        codes = {code for one in given for code in LITERAL.findall(one)}
        codes |= {constants[name] for one in given if (name := one.strip().split(".")[0]) in constants}
        codes |= {code for code in PAIR.findall(text) if not code.startswith("outflow_")}
        for code in codes - NO_CODES:
            found.setdefault(code, path)
    return found


def main() -> int:
    seen = set(said({Path("sample.rs"): SAMPLE}))
    if seen != SAID:
        print(f"the finder is blind: it sees {sorted(seen ^ SAID)} wrongly in its own sample")
        return 1
    common = set(LISTED.findall((ROOT / "connectors/sdk/src/codes.rs").read_text(encoding="utf-8")))
    crates = {ROOT / "src": ROOT / "src/codes/program.rs", ROOT / "connectors/sdk/src": None}
    crates |= {path.parent: path for path in sorted(ROOT.glob("connectors/*/src/codes.rs")) if "sdk" not in path.parts}
    wrong, total, literals = [], 0, set()
    for folder, path in crates.items():
        texts = sources(folder)
        here = {literal for text in texts.values() for literal in LITERAL.findall(text)}
        literals |= here
        own = set(LISTED.findall(path.read_text(encoding="utf-8"))) if path else set()
        codes = said(texts)
        total += len(codes)
        wrong += [f"{place.relative_to(ROOT)}: `{code}` is not listed; add it to {(path or ROOT / 'connectors/sdk/src/codes.rs').relative_to(ROOT)}"
                  for code, place in codes.items() if code not in own | common]
        wrong += [f"{path.relative_to(ROOT)}: nobody says `{code}` any more" for code in sorted(own - here)]
    wrong += [f"connectors/sdk/src/codes.rs: nobody says `{code}` any more" for code in sorted(common - literals)]
    for line in wrong:
        print(f"error: {line}")
    print(f"{total} codes in {len(crates)} crates")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
