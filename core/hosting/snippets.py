"""Programs that call a deployment, ready to be copied: they run as they are, with the token in TOKEN.

Nothing of a model's declaration gets into them unquoted: names and defaults come from whoever made the model.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping

from core.hosting.addressing import RUNWAY_DOMAIN
from core.hosting.examples import Drawn, example_inputs
from core.interface import Command, Image, Interface, Segmentation, Text

_WAITS = 600
"""Seconds that a query may be held while the model wakes."""


def snippets(
    name: str, url: str, interface: Interface, command: str = "", *, private: bool = True, text_model: bool = False
) -> dict[str, str]:
    """Programs by title, in the order in which they are shown: curl, Python, OpenAI (text models), JavaScript, Runway.

    Args:
        name: The deployment's name.
        url: Where the gateway is reached, "http://127.0.0.1:8600".
        interface: What the model takes and gives.
        command: The command that is hosted; empty for the first.
        private: Whether a token is needed; the programs take it from the variable TOKEN.
        text_model: Whether the model speaks OpenAI's API too.

    Raises:
        NotFound: The model has no such command.
    """
    chosen = interface.command(command or None)
    base = url.rstrip("/")
    programs = {"curl": _curl(f"{base}/{name}/v1/query", chosen, private)}
    programs["Python"] = _python(f"{base}/{name}/v1/query", chosen, private)
    if text_model:
        programs["OpenAI"] = _openai(f"{base}/{name}/v1", name, chosen, private)
    programs["JavaScript"] = _javascript(f"{base}/{name}/v1/query", chosen, private)
    programs["Runway"] = _runway(f"{base}/{name}{RUNWAY_DOMAIN}/v1", chosen, private)
    return programs


# -- one language each


def _curl(url: str, command: Command, private: bool) -> str:
    inputs = example_inputs(command)
    draws = any(_draws(value) for value in inputs.values())

    def literal(text: str) -> str:
        # Only where the shell is to draw numbers does it read the text, and then nothing else in it may mean something.
        return re.sub(r"([$`\\])", r"\\\1", text) if draws else text

    def drawn(what: Drawn) -> str:
        normal = f"{what.mean!r}+{what.std!r}*sqrt(-2*log(1-rand()))*cos(6.2831853*rand())"
        return f'[$(LC_ALL=C awk \'BEGIN{{srand();for(i=0;i<{what.length};i++)printf("%s%.5f",i?",":"",{normal})}}\')]'

    body = _object(inputs, literal, lambda value: literal(_json(value)), drawn, "  ")
    lines = [f"curl -sS --fail-with-body {shlex.quote(url)} \\"]
    if private:
        lines.append('  -H "Authorization: Bearer $TOKEN" \\')
    lines.append("  -H 'Content-Type: application/json' \\")
    picture = _picture_output(command)
    end = "JSON" if draws else "'JSON'"
    if picture is None:
        lines.append(f"  --data-binary @- <<{end}")
    else:
        key, file = picture
        lines.append("  -o answer.json \\")
        pattern = f's/.*{_pattern(_json(key))}: *"[^,]*,\\([^"]*\\)".*/\\1/p'
        lines.append(f"  --data-binary @- <<{end} && sed -n {shlex.quote(pattern)} answer.json | base64 -d > {file}")
    return "\n".join([*lines, body, "JSON", ""])


def _python(url: str, command: Command, private: bool) -> str:
    inputs = example_inputs(command)
    picture = _picture_output(command)

    def drawn(what: Drawn) -> str:
        return f"[random.gauss({what.mean!r}, {what.std!r}) for _ in range({what.length})]"

    modules = ["os"] if private else []
    modules += ["random"] if any(_draws(value) for value in inputs.values()) else []
    modules += ["base64"] if picture else []
    lines = [f"import {module}" for module in sorted(modules)]
    lines += ["", "import requests", ""] if lines else ["import requests", ""]
    lines += ["reply = requests.post(", f"    {_quoted(url)},"]
    if private:
        lines.append('    headers={"Authorization": f"Bearer {os.environ[\'TOKEN\']}"},')
    lines.append(f"    json={_object(inputs, str, _python_value, drawn, '        ', '    ')},")
    lines += [f"    timeout={_WAITS},", ")", "answer = reply.json()", "if not reply.ok:"]
    lines.append('    raise SystemExit(answer["error"])')
    if picture is None:
        lines.append(_show(command, "print({})", _quoted, "answer"))
    else:
        key, file = picture
        lines.append(f'with open("{file}", "wb") as file:')
        lines.append(f'    file.write(base64.b64decode(answer[{_quoted(key)}].partition(",")[2]))')
    return "\n".join([*lines, ""])


def _openai(url: str, name: str, command: Command, private: bool) -> str:
    prompt = example_inputs(command).get("prompt", "Once upon a time")
    key = 'os.environ["TOKEN"]' if private else '"none"'
    return "\n".join(
        [
            *(["import os", ""] if private else []),
            "from openai import OpenAI",
            "",
            f"client = OpenAI(base_url={_quoted(url)}, api_key={key})",
            "stream = client.completions.create(",
            f"    model={_quoted(name)},",
            f"    prompt={_quoted(str(prompt))},",
            "    max_tokens=64,",
            "    stream=True,",
            ")",
            "for part in stream:",
            "    for choice in part.choices:",
            '        print(choice.text, end="", flush=True)',
            "print()",
            "",
        ]
    )


def _javascript(url: str, command: Command, private: bool) -> str:
    inputs = example_inputs(command)
    lines = _normal(inputs)
    lines += ["async function query(inputs) {", f"  const reply = await fetch({_json(url)}, {{", '    method: "POST",']
    lines.append("    headers: {")
    lines.append('      "Content-Type": "application/json",')
    if private:
        lines.append("      Authorization: `Bearer ${process.env.TOKEN}`,")
    lines += ["    },", "    body: JSON.stringify(inputs),", "  });", "  const answer = await reply.json();"]
    lines += ["  if (!reply.ok) throw new Error(answer.error);", "  return answer;", "}", ""]
    lines.append(f"const inputs = {_object(inputs, str, _json, _javascript_drawn, '  ')};")
    return "\n".join([*lines, f"query(inputs).then((answer) =>{_javascript_end(command)});", ""])


def _runway(url: str, command: Command, private: bool) -> str:
    inputs = example_inputs(command)
    lines = [
        "// npm install @runwayml/hosted-models",
        'const { HostedModel } = require("@runwayml/hosted-models");',
        "",
    ]
    lines += [*_normal(inputs), "const model = new HostedModel({", f"  url: {_json(url)},"]
    if private:
        lines.append("  token: process.env.TOKEN,")
    lines += ["});", "", f"const inputs = {_object(inputs, str, _json, _javascript_drawn, '  ')};"]
    return "\n".join([*lines, f"model.query(inputs).then((answer) =>{_javascript_end(command)});", ""])


# -- what they share


def _object(
    inputs: Mapping[str, object],
    literal: Callable[[str], str],
    written: Callable[[object], str],
    drawn: Callable[[Drawn], str],
    indent: str,
    closing: str = "",
) -> str:
    """An object with an entry a line; it reads the same in JSON, Python and JavaScript."""
    if not inputs:
        return "{}"
    entries = [f"{indent}{literal(_json(name))}: {_value(value, written, drawn)}" for name, value in inputs.items()]
    return "{\n" + ",\n".join(entries) + f"\n{closing}}}"


def _value(value: object, written: Callable[[object], str], drawn: Callable[[Drawn], str]) -> str:
    if isinstance(value, Drawn):
        return drawn(value)
    if isinstance(value, list) and _draws(value):
        return f"[{', '.join(_value(each, written, drawn) for each in value)}]"
    return written(value)


def _draws(value: object) -> bool:
    return isinstance(value, Drawn) or (isinstance(value, list) and any(_draws(each) for each in value))


def _json(value: object) -> str:
    """As JSON that a terminal and a page can show: what cannot be printed is written as its number."""
    plain = json.dumps(value, ensure_ascii=False)
    return plain if plain.isprintable() else json.dumps(value)


def _quoted(text: str) -> str:
    """A text as Python writes it, in double quotes where JSON writes it so too."""
    plain = json.dumps(text, ensure_ascii=False)
    return plain if plain.isprintable() else repr(text)


def _python_value(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(_python_value(each) for each in value)}]"
    return repr(value)


def _javascript_drawn(what: Drawn) -> str:
    return f"Array.from({{ length: {what.length} }}, () => normal({_json(what.mean)}, {_json(what.std)}))"


def _normal(inputs: Mapping[str, object]) -> list[str]:
    """JavaScript has no normal numbers: those of Box and Muller (1958)."""
    if not any(_draws(value) for value in inputs.values()):
        return []
    radius, angle = "Math.sqrt(-2 * Math.log(1 - Math.random()))", "Math.cos(2 * Math.PI * Math.random())"
    return ["const normal = (mean, std) =>", f"  mean + std * {radius} * {angle};", ""]


def _javascript_end(command: Command) -> str:
    picture = _picture_output(command)
    if picture is None:
        return _show(command, " console.log({})", _json, "answer")
    key, file = picture
    return f'\n  require("fs").writeFileSync("{file}", Buffer.from(answer[{_json(key)}].split(",")[1], "base64"))'


def _show(command: Command, call: str, quoted: Callable[[str], str], answer: str) -> str:
    """What prints the answer: the first text of it, or all."""
    first = next(iter(command.outputs.items()), None)
    wanted = f"{answer}[{quoted(first[0])}]" if first is not None and isinstance(first[1], Text) else answer
    return call.format(wanted)


def _picture_output(command: Command) -> tuple[str, str] | None:
    """The output that is a picture, and the name of a file for it."""
    for name, kind in command.outputs.items():
        if isinstance(kind, Image | Segmentation):
            jpeg = isinstance(kind, Image) and kind.default_output_format == "JPEG"
            file = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "picture"
            return name, f"{file}.{'jpg' if jpeg else 'png'}"
    return None


def _pattern(text: str) -> str:
    """A text as sed looks for it."""
    return re.sub(r"([][\\.*^$/])", r"\\\1", text)
