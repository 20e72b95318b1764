import SQL
import Wire

// What changes with time alone, and what a model that is stored does without it.

extension Lint {
  /// Whether a SELECT gives something else when time goes by and nothing is written.
  func isTimely(_ query: CheckedQuery, _ upstreams: [Upstream]) -> Bool {
    query.functions.contains(where: Self.isOfConsensus) || !timely(upstreams).isEmpty
  }

  /// The views among these that change with time alone.
  private func timely(_ upstreams: [Upstream]) -> [String] {
    upstreams.compactMap { upstream in
      guard case .model(let name) = upstream,
        models.contains(where: { $0.name == name && $0.isTimely })
      else { return nil }
      return name
    }
  }

  private static func isOfConsensus(_ function: String) -> Bool {
    function.hasPrefix("consensus_")
  }

  /// What is stored is computed when what it reads is written.
  mutating func refuseTime(in model: Model, _ query: CheckedQuery, _ upstreams: [Upstream]) {
    let part = "model:\(model.name)"
    for name in query.functions where Self.isOfConsensus(name) {
      fault(
        part,
        "\(name)() changes without a change of what the model reads, so what is stored would not "
          + "be what the SELECT gives",
        fix: model.advice(insteadOf: "\(name)()") + ", or an argument of a query")
    }
    for name in timely(upstreams) {
      fault(
        part,
        "the view \(name) changes with the time of consensus alone, so what is stored would not be "
          + "what the SELECT gives", fix: "kind: view here too, or read what \(name) reads")
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
