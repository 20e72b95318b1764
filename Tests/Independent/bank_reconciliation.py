"""The tables of deploy/pipelines/bank-reconciliation, computed in plain Python.

An independent second opinion for Tests/ExecutionTests/BankFeedTests.swift: no SQL, no code in common
with the pipeline. It reads the accepted rows from files of a folder, one row a line, columns
separated by "|", an empty field for null:

    transactions.txt  transaction_id, bank_id, side, customer_id, amount, currency, value_date,
                      due_date, reference
    lifecycle.txt     transaction_id, seq, stage
    audit.txt         audit_id, transaction_id, at

Amounts are hundredths, dates are days since 1970-01-01, times are milliseconds. It writes TABLE.txt
beside them for each table, in the order of the primary key.

    python3 bank_reconciliation.py FOLDER
"""

import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple, Optional

DATE_TOLERANCE_DAYS = 3
WINDOW_DAYS = 30


class Line(NamedTuple):
    """One line of a bank statement or of the ledger."""

    id: str
    bank: str
    side: str
    customer: str
    amount: int
    currency: str
    day: int
    due: Optional[int]
    reference: str


def read(path):
    return [line.split("|") for line in path.read_text(encoding="utf-8").splitlines()]


def plain(reference):
    """The reference without blanks and dashes, ASCII letters in upper case."""
    kept = (letter for letter in reference if letter not in " -")
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in kept)


def read_lines(folder):
    lines = []
    for id, bank, side, customer, amount, currency, day, due, reference in read(
        folder / "transactions.txt"
    ):
        lines.append(
            Line(id, bank, side, customer, int(amount), currency, int(day),
                 int(due) if due else None, plain(reference))
        )
    return sorted(lines)


def matches(lines):
    """Pairs by equal bank, reference, currency, amount and day, where both sides are as many."""
    groups = defaultdict(lambda: {"BANK": [], "LEDGER": []})
    for line in lines:
        key = (line.bank, line.reference, line.currency, line.amount, line.day)
        groups[key][line.side].append(line.id)
    pairs = []
    for (bank, reference, *_), sides in groups.items():
        if len(sides["BANK"]) == len(sides["LEDGER"]):
            for pair in zip(sorted(sides["BANK"]), sorted(sides["LEDGER"])):
                pairs.append((*pair, bank, reference, "EXACT"))
    return sorted(pairs)


def exceptions(lines, matched):
    groups = defaultdict(list)
    for line in lines:
        groups[line.bank, line.reference].append(line)
    found = []
    for line in lines:
        if line.id in matched:
            continue
        others = [
            other for other in groups[line.bank, line.reference]
            if other.side != line.side and other.currency == line.currency
        ]
        same = [other for other in others if other.amount == line.amount]
        if any(other.day == line.day for other in same):
            reason = "AMBIGUOUS"
        elif any(abs(other.day - line.day) <= DATE_TOLERANCE_DAYS for other in same):
            reason = "DATE"
        elif any(other.day == line.day for other in others):
            reason = "AMOUNT"
        else:
            reason = "UNMATCHED"
        found.append((line.id, line.bank, line.reference, reason))
    return found


def facts(lines, matched, folder):
    stages, audits = {}, {}
    for id, seq, stage in read(folder / "lifecycle.txt"):
        stages[id] = max(stages.get(id, (0, "")), (int(seq), stage))
    for audit, id, at in read(folder / "audit.txt"):
        audits[id] = max(audits.get(id, (-1, "")), (int(at), audit))
    return [
        (line.id, line.bank, line.reference, line.amount, line.day,
         audits.get(line.id, (0, ""))[1], stages.get(line.id, (0, "pending"))[1],
         int(line.id in matched), "EXACT" if line.id in matched else "")
        for line in lines
    ]


def balances(lines):
    """The sum of the last thirty days, by days and not by rows."""
    daily = defaultdict(lambda: defaultdict(int))
    for line in lines:
        if line.side == "LEDGER":
            daily[line.customer, line.currency][line.day] += line.amount
    return sorted(
        (customer, currency, day,
         sum(net for other, net in days.items() if day - WINDOW_DAYS < other <= day))
        for (customer, currency), days in daily.items() for day in days
    )


def streaks(lines):
    """Runs of at least two late payments with none in time between them."""
    payments = defaultdict(list)
    for line in lines:
        if line.side == "LEDGER" and line.due is not None:
            payments[line.customer].append((line.day, line.id, line.day > line.due))
    found = []
    for customer, rows in payments.items():
        in_time = 0
        runs = defaultdict(list)
        for day, _, is_late in sorted(rows):
            if is_late:
                # The island's number: how many payments in time came before it.
                runs[in_time].append(day)
            else:
                in_time += 1
        for island, days in runs.items():
            if len(days) > 1:
                found.append((customer, island, min(days), max(days), len(days)))
    return sorted(found)


def main(folder):
    lines = read_lines(folder)
    pairs = matches(lines)
    matched = {id for pair in pairs for id in pair[:2]}
    tables = {
        "slv_matches": pairs,
        "slv_match_exceptions": exceptions(lines, matched),
        "fct_transaction_audit": facts(lines, matched, folder),
        "mtr_rolling_30d_balance": balances(lines),
        "mtr_late_streaks": streaks(lines),
    }
    for name, rows in tables.items():
        text = "".join("|".join(map(str, row)) + "\n" for row in rows)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
