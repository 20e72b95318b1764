import Wire

extension Scenario {
  /// This scenario as the text of a file; reading it back gives an equal scenario.
  package var text: String {
    var lines = ["quorate: 1", "title: \(quoted(title))"]
    if !story.isEmpty {
      lines.append("story: >-")
      lines += wrapped(story).map { "  \($0)" }
    }
    if let see { lines.append("see: \(quoted(see))") }
    if overBudget { lines.append("over-budget: true") }
    lines += clusterLines
    if let load {
      let misuse = load.misuse.map(\.rawValue).joined(separator: ", ")
      lines.append(
        "load: { clients: \(load.clients), pipeline: \(load.pipeline), rate: \(load.rate)/s"
          + (load.ledger ? ", ledger: true" : "")
          + (misuse.isEmpty ? " }" : ", misuse: [\(misuse)] }"))
    }
    if !byzantine.isEmpty {
      lines.append("byzantine:")
      lines += byzantine.map { "  - \($0.text)" }
    }
    if !rounds.isEmpty {
      lines.append("rounds:")
      lines += rounds.map { "  - \($0.text)" }
    }
    if !faults.isEmpty {
      lines.append("faults:")
      lines += faults.map { "  - \($0.text)" }
    }
    lines += expectLines
    return lines.joined(separator: "\n") + "\n"
  }

  private var clusterLines: [String] {
    var lines = ["cluster:", "  replicas: \(cluster.replicas)"]
    lines.append(
      "  latency: "
        + (cluster.profile?.rawValue ?? "\(cluster.latency.text) ± \(cluster.jitter.text)"))
    if cluster.lossPPM > 0 { lines.append("  loss: \(shareText(cluster.lossPPM))") }
    lines.append("  leader-timeout: \(cluster.leaderTimeout.text)")
    lines.append("  seed: 0x\(String(cluster.seed, radix: 16))")
    lines.append("  sync: \(cluster.sync.text)")
    lines.append("  sql: \(cluster.sql.text)")
    if cluster.signatures != .mock {
      lines.append("  signatures: \(cluster.signatures.rawValue)")
    }
    if cluster.execution != .sql { lines.append("  execution: \(cluster.execution.rawValue)") }
    if let duration = cluster.duration { lines.append("  duration: \(duration.text)") }
    return lines
  }

  private var expectLines: [String] {
    var parts: [String] = []
    if !expect.never.isEmpty {
      parts.append("  never: [\(expect.never.map(\.text).joined(separator: ", "))]")
    }
    if !expect.reaches.isEmpty {
      parts.append("  reaches: [\(expect.reaches.map(\.rawValue).joined(separator: ", "))]")
    }
    if let span = expect.liveness { parts.append("  liveness: \(span.text)") }
    if let span = expect.replies { parts.append("  replies: \(span.text)") }
    if let delays = expect.finality { parts.append("  finality: \(delaysText(delays))") }
    if let count = expect.verifications { parts.append("  verifications: \(count)/view") }
    if let who = expect.votesAgain { parts.append("  votes-again: \(who.text)") }
    if let who = expect.evidence { parts.append("  evidence: \(who.text)") }
    if let bytes = expect.memory { parts.append("  memory: \(bytes)B") }
    if let planted = expect.planted { parts.append("  planted: \(planted)") }
    if expect.plantedAlone { parts.append("  planted-alone: true") }
    if !expect.breaks.isEmpty {
      parts.append("  breaks: [\(expect.breaks.map(\.rawValue).joined(separator: ", "))]")
    }
    return parts.isEmpty ? [] : ["expect:"] + parts
  }

  private func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isLetter || $0.isNumber || " -,.()/".contains($0) }
    if plain, let first = text.first, first.isLetter { return text }
    return "'"
      + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
      + "'"
  }

  private func wrapped(_ text: String) -> [String] {
    var lines: [String] = [""]
    for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if lines[lines.count - 1].count + word.count > 88 { lines.append("") }
      lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    return lines
  }
}

/// `5%`, `0.1%`.
func shareText(_ ppm: UInt64) -> String {
  var fraction = String(ppm % 10_000)
  fraction = String(repeating: "0", count: 4 - fraction.count) + fraction
  while fraction.last == "0" { fraction.removeLast() }
  return "\(ppm / 10_000)\(fraction.isEmpty ? "" : ".")\(fraction)%"
}

/// `3.2 δ`, of hundredths.
func delaysText(_ hundredths: UInt64) -> String {
  var fraction = String(hundredths % 100 + 100).dropFirst()
  while fraction.last == "0" { fraction.removeLast() }
  return "\(hundredths / 100)\(fraction.isEmpty ? "" : ".")\(fraction) δ"
}

extension Scenario.Byzantine {
  var text: String {
    var parts = ["\(actor.rawValue): \(who.text)"]
    if let views { parts.append("views: \(views.lowerBound)..\(views.upperBound)") }
    if let to { parts.append("to: \(to.text)") }
    return "{ \(parts.joined(separator: ", ")) }"
  }
}

extension Scenario.Round {
  var text: String {
    "{ first: \(Who.replicas(first).text), second: \(Who.replicas(second).text) }"
  }
}

extension Fault {
  /// `cut`, `crash`, …
  package var verbName: String { String(verb.text.prefix { $0 != ":" }) }

  /// The verb as it is written.
  var verbText: String { verb.text }

  package var text: String {
    var parts = ["at: \(at.text)", verb.text]
    switch lasting {
    case .forever: break
    case .span(let span): parts.append("for: \(span.text)")
    case .until(let when): parts.append("until: \(when.text)")
    case .ever: parts.append("for: ever")
    }
    return "{ \(parts.joined(separator: ", ")) }"
  }
}

extension Fault.Verb {
  var text: String {
    switch self {
    case .cut(let from, let to): return "cut: { from: \(from.text), to: \(to.text) }"
    case .isolate(let who): return "isolate: \(who.text)"
    case .split(let groups): return "split: [\(groups.map(\.text).joined(separator: ", "))]"
    case .slow(let from, let to, let latency, let bytes):
      let bandwidth = bytes.map { ", bandwidth: \($0)B/s" } ?? ""
      return "slow: { from: \(from.text), to: \(to.text), latency: \(latency.text)\(bandwidth) }"
    case .drop(let filter): return "drop: \(filter.text)"
    case .duplicate(let filter): return "duplicate: \(filter.text)"
    case .hold(let filter): return "hold: \(filter.text)"
    case .replay(let filter): return "replay: \(filter.text)"
    case .pause(let who): return "pause: \(who.text)"
    case .crash(let who, let loss, 0): return "crash: \(who.text), disk: \(loss.rawValue)"
    case .crash(let who, let loss, let effects):
      return "crash: { of: \(who.text), effects: \(effects) }, disk: \(loss.rawValue)"
    case .wipe(let who): return "wipe: \(who.text)"
    case .disk(let who, let kind): return "disk: { of: \(who.text), is: \(kind.rawValue) }"
    case .clock(let who, .drift(let ppm)): return "clock: { of: \(who.text), drift: \(ppm)ppm }"
    case .clock(let who, .step(let ms)): return "clock: { of: \(who.text), step: \(ms)ms }"
    case .clock(let who, .stuck): return "clock: { of: \(who.text), stuck: true }"
    case .cpu(let who, let span): return "cpu: { of: \(who.text), takes: \(span.text) }"
    case .sql(let who, let span): return "sql: { of: \(who.text), takes: \(span.text) }"
    case .calm: return "calm: all"
    }
  }
}

extension Fault.Filter {
  fileprivate var text: String {
    var parts: [String] = []
    if let kind { parts.append("kind: \(kind.rawValue)") }
    if let view { parts.append("view: \(view)") }
    if from != .all { parts.append("from: \(from.text)") }
    if to != .all { parts.append("to: \(to.text)") }
    if ratePPM != 1_000_000 { parts.append("rate: \(shareText(ratePPM))") }
    return "{ \(parts.joined(separator: ", ")) }"
  }
}
