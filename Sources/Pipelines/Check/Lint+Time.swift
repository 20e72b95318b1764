import SQL
import Wire

// What changes with time alone, and what a model that is stored does without it.

extension Lint {
  /// What makes a SELECT give something else though no row has changed: functions of block time and
  /// randomness, its own and those of the views that it reads.
  func changers(of query: CheckedQuery, _ upstreams: [Upstream]) -> [String] {
    query.functions.filter { $0.hasPrefix("consensus_") }.map { "\($0)()" }
      + changers(in: upstreams)
  }

  /// Those of the views among some upstreams.
  private func changers(in upstreams: [Upstream]) -> [String] {
    var found: [String] = []
    for case .model(let name) in upstreams {
      for changer in models.first(where: { $0.name == name })?.changers ?? [] {
        found.append(changer.contains(" ") ? changer : "\(changer) in the view \(name)")
      }
    }
    return found
  }

  static let unfollowed =
    " changes without a change of what the model reads, so what is stored would not be what the "
    + "SELECT gives"

  /// What is stored is computed when what it reads is written.
  mutating func refuse(_ changer: String, in model: Model) {
    let isOwn = !changer.contains(" ")
    fault(
      "model:\(model.name)", changer + Self.unfollowed,
      fix: isOwn
        ? model.advice(insteadOf: changer) + ", or an argument of a query"
        : "kind: view here too, or read what that view reads")
  }
}

extension Lint {
  /// Tests are run when rows change: what time alone breaks would be told to whoever sends the next
  /// row, and refuse it.
  mutating func refuseChangers(
    of test: ModelTest, _ rule: CheckedTest.Rule, _ queries: [String: CheckedQuery],
    in model: String
  ) {
    var read = [Upstream.model(model)]
    var found: [String] = []
    switch rule {
    case .unique, .notNull, .acceptedValues: break
    case .references(_, let other, _): if other != model { read.append(.model(other)) }
    case .custom(let name, let upstreams, _):
      read += upstreams.filter { $0 != .model(model) }
      found = queries[name].map { changers(of: $0, []) } ?? []
    }
    for changer in found + changers(in: read) {
      fault(
        "model:\(model)",
        "the test \(test): \(changer) changes without a change of rows, and tests are run when "
          + "rows change",
        fix: "test what rows alone say; a query or a metric shows what time alone changes")
    }
  }
}

extension PackageFault {
  /// With a fix that a stored model takes, where the usual one changes with time alone.
  func advised(for model: Model?) -> PackageFault {
    guard let fix, let model, model.isStored, fix.hasPrefix("consensus_") else { return self }
    return PackageFault(
      severity, file: file, line: line, column: column, rule: rule, message: message,
      excerpt: excerpt, fix: model.advice(insteadOf: fix))
  }
}

extension Model {
  /// What lasts, in place of advice that begins with a function of consensus.
  fileprivate func advice(insteadOf fix: String) -> String {
    if fix.hasPrefix("consensus_random") {
      return
        "uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', \(primaryKey.first ?? "id")), which each "
        + "row keeps; or consensus_random('label') with kind: view"
    }
    let call = fix.hasPrefix("consensus_date()") ? "consensus_date()" : "consensus_time_ms()"
    let carried = call == "consensus_date()" ? "date" : "timestamp"
    return fix.replacing(call, with: "a \(carried) that the rows carry")
      + "; or \(call) with kind: view"
  }
}
