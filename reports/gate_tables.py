# SPDX-License-Identifier: ISC
"""The gate's checks as text and as JUnit XML, from one source."""

from collections.abc import Iterator
from xml.etree import ElementTree

from reports.gate import Check, Decision, Gate
from reports.tables import wrapped

_NO_XML = dict.fromkeys((*range(9), 11, 12, *range(14, 32)), "\N{REPLACEMENT CHARACTER}")
"""Characters that XML cannot hold, and that a console may have printed."""

_TAGS = {Decision.REJECTED: "failure", Decision.UNDECIDED: "error"}
"""What JUnit calls a test that is not good."""


def to_text(gate: Gate) -> str:
    """Every check, and the decision as the last line."""
    return "\n".join([*_checks(gate), "", gate.line]) + "\n"


def to_junit(gate: Gate) -> bytes:
    """One test case per check; the same gate gives the same bytes."""
    decisions = [check.decision for check in gate.checks]
    suite = ElementTree.Element(
        "testsuite",
        name="acceptance",
        tests=str(len(decisions)),
        failures=str(decisions.count(Decision.REJECTED)),
        errors=str(decisions.count(Decision.UNDECIDED)),
        skipped="0",
    )
    suite.extend(map(_case, gate.checks))
    ElementTree.SubElement(suite, "system-out").text = gate.line.translate(_NO_XML)
    ElementTree.indent(suite)
    text: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _checks(gate: Gate) -> Iterator[str]:
    for check in gate.checks:
        yield wrapped(f"{check.decision:<9}  {check.name}: {check.text}", 2)


def _case(check: Check) -> ElementTree.Element:
    name, text = check.name.translate(_NO_XML), check.text.translate(_NO_XML)
    case = ElementTree.Element("testcase", classname=f"acceptance.{check.about}", name=name)
    if tag := _TAGS.get(check.decision):
        ElementTree.SubElement(case, tag, message=text)
    else:
        ElementTree.SubElement(case, "system-out").text = text
    return case
