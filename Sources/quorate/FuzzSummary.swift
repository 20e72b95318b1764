import Simulator

/// What a fuzz prints at its end.
struct FuzzSummary {
  let tally: FuzzTally
  let seconds: Double

  var text: String {
    let sizes = tally.bySize.keys.sorted().compactMap { size in
      tally.bySize[size].map { row("\(size)", $0) }
    }
    var lines = [
      Terminal.table(
        ["replicas", "runs", "blocks", "simulated", "faults", "crashes", "calls", "findings"],
        sizes + [row("all", tally.all)]),
      "",
      "faults    \(counts(tally.faults))",
      "actors    \(counts(tally.actors))",
      "marks     \(tally.marks.count) reached: \(counts(tally.marks))",
    ]
    let missed = Catalog.marks.map(\.name).filter { tally.marks[$0] == nil }
    if !missed.isEmpty { lines.append("          not reached: \(missed.joined(separator: " · "))") }
    if !tally.mutants.isEmpty {
      lines.append(
        "mutants   \(counted(tally.mutants.count, "run")) with a rule broken, "
          + "\(tally.mutants.count - tally.mutantsMissed.count) found")
    }
    lines += tally.mutantsMissed.map { "          NOT FOUND: \(told($0))" }
    lines.append(
      "\(fixed(seconds, 1)) s, "
        + "\(grouped(Int(Double(tally.all.simulated) / 1_000_000 / max(seconds, 0.001)))) "
        + "simulated seconds a second")
    lines.append(verdict)
    return lines.joined(separator: "\n")
  }

  private var verdict: String {
    let findings = tally.findings
    guard let first = findings.first else {
      guard let missed = tally.mutantsMissed.first else {
        return "PASS  \(counted(tally.all.runs, "run")), no violation"
      }
      return
        "FAIL  no violation in \(counted(tally.all.runs, "run")), but a broken rule went unseen\n"
        + "next: quorate simulate fuzz --runs 1 --seed 0x\(String(missed.seed, radix: 16)) "
        + "--replicas \(missed.replicas) --blocks \(tally.plan.blocks) --broken "
        + (missed.broken ?? "all")
    }
    let next = first.file.map { "\nnext: quorate simulate explain \($0)" } ?? ""
    return "FAIL  \(findings.count) of \(counted(tally.all.runs, "run")); the first: seed 0x"
      + "\(String(first.seed, radix: 16)), \(counted(first.replicas, "replica")): \(first.verdict)"
      + next
  }

  private func told(_ run: RunSummary) -> String {
    "\(run.broken ?? ""), seed 0x\(String(run.seed, radix: 16)), "
      + counted(run.replicas, "replica")
  }

  private func row(_ name: String, _ sums: FuzzTally.Sums) -> [String] {
    [
      name, grouped(sums.runs), grouped(sums.blocks), "\(grouped(sums.simulated / 1_000_000)) s",
      grouped(sums.faults), grouped(sums.crashes), grouped(sums.callsApplied),
      grouped(sums.findings),
    ]
  }

  /// The most frequent first.
  private func counts(_ counts: [String: Int]) -> String {
    guard !counts.isEmpty else { return "none" }
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.key) \(grouped($0.value))" }.joined(separator: " · ")
  }

  struct ForPrograms: Encodable {
    let runs: Int
    let blocks: UInt64
    let simulatedSeconds: UInt64
    let seconds: Double
    let findings: [RunSummary]
    let mutants: Int
    let mutantsMissed: [RunSummary]
    let faults: [String: Int]
    let actors: [String: Int]
    let marks: [String: Int]
  }

  var forPrograms: ForPrograms {
    ForPrograms(
      runs: tally.all.runs, blocks: tally.all.blocks,
      simulatedSeconds: tally.all.simulated / 1_000_000, seconds: seconds,
      findings: tally.findings, mutants: tally.mutants.count, mutantsMissed: tally.mutantsMissed,
      faults: tally.faults, actors: tally.actors, marks: tally.marks)
  }
}
