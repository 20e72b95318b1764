import Consensus
import Foundation
import Wire
import Yams

/// Reads scenario files. The format is told in `Simulation/README.md`.
///
/// - Safety: a file with any mistake gives no scenario at all, and every mistake with its place.
package enum ScenarioFile {
  /// The newest format that is understood.
  static let format: UInt64 = 1
  /// A crowded run of 40 replicas with 10,000 faults stays below it.
  package static let bytesMax = 1 << 23

  package static func read(_ path: String) throws(ScenarioFaults) -> Scenario {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw fault(path, "there is no such file, or it cannot be read")
    }
    guard bytes.count <= bytesMax else { throw fault(path, "more than \(bytesMax) bytes") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw fault(path, "the file is not UTF-8")
    }
    return try parse(text, path: path)
  }

  package static func parse(_ text: String, path: String) throws(ScenarioFaults) -> Scenario {
    let root: Node
    do {
      guard let node = try compose(yaml: text) else { throw fault(path, "the file is empty") }
      root = node
    } catch let faults as ScenarioFaults {
      throw faults
    } catch let error as YamlError {
      throw fault(path, "not YAML: \(error)")
    } catch {
      throw fault(path, "not YAML: \(error)")
    }
    var faults: [ScenarioFault] = []
    let scenario = Reading(root).scenario(&faults)
    if let scenario, faults.isEmpty { faults += budgetFaults(of: scenario, root) }
    guard let scenario, faults.isEmpty else {
      throw ScenarioFaults(path: path, faults: faults.sorted { $0.line < $1.line })
    }
    return scenario
  }

  /// Writes the scenario as a file.
  /// - Throws: what the file system says.
  static func write(_ scenario: Scenario, to path: String) throws {
    try Data(scenario.text.utf8).write(to: URL(filePath: path), options: .atomic)
  }

  private static func fault(_ path: String, _ message: String) -> ScenarioFaults {
    ScenarioFaults(
      path: path,
      faults: [ScenarioFault(line: 1, column: 1, message: message, suggestion: nil)])
  }

  private static func budgetFaults(of scenario: Scenario, _ root: Node) -> [ScenarioFault] {
    scenario.flaws.map { flaw in
      let place = flaw == scenario.vainOverBudget ? root["over-budget"]?.mark : nil
      return ScenarioFault(
        line: place?.line ?? 1, column: place?.column ?? 1, message: flaw, suggestion: nil)
    }
  }
}

extension Scenario {
  package func write(to path: String) throws { try ScenarioFile.write(self, to: path) }
}

/// The top level of a file.
private struct Reading {
  let root: ScenarioNode

  init(_ node: Node) { root = ScenarioNode(node, "a scenario") }

  func scenario(_ faults: inout [ScenarioFault]) -> Scenario? {
    root.check(
      [
        "quorate", "title", "story", "see", "cluster", "load", "faults", "byzantine", "expect",
        "over-budget", "rounds",
      ], &faults)
    let format = root.required("quorate", &faults) { text throws(TextFault) in
      try number(text, "format")
    }
    if let format, format != ScenarioFile.format, let node = root["quorate"] {
      faults.append(node, "format \(format) is not known; this program reads format 1")
    }
    guard let title = root.required("title", &faults, { $0 }) else { return nil }
    var scenario = Scenario(title: title)
    let story = root.value("story", &faults) { $0 } ?? ""
    scenario.story = story.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    scenario.see = root.value("see", &faults) { $0 }
    scenario.overBudget = root.value("over-budget", &faults, readFlag) ?? false
    if let node = root["cluster"] { scenario.cluster = cluster(node, &faults) }
    if let node = root["load"] { scenario.load = load(node, &faults) }
    for node in root["faults"]?.items ?? [] {
      let reading = FaultReading(node, replicas: scenario.cluster.replicas)
      if let fault = reading.fault(&faults) { scenario.faults.append(fault) }
    }
    var entries: [Node] = []
    for node in root["byzantine"]?.items ?? [] {
      guard let actor = byzantine(node, &faults) else { continue }
      scenario.byzantine.append(actor)
      entries.append(node)
    }
    refuseSecondParts(in: scenario, entries, &faults)
    for node in root["rounds"]?.items ?? [] {
      scenario.rounds.append(round(ScenarioNode(node, "a round"), &faults))
    }
    if let node = root["expect"] { scenario.expect = expectation(node, &faults) }
    if faults.isEmpty { refuseIgnored(in: scenario, &faults) }
    return scenario
  }

  /// Without other mistakes each entry of the file is one part of the story.
  private func refuseIgnored(in scenario: Scenario, _ faults: inout [ScenarioFault]) {
    let load = root["load"].map { ScenarioNode($0, "load") }
    for (part, why) in scenario.ignored {
      let node: Node? =
        switch part {
        case .ledger: load?["ledger"]
        case .misuse(let misuse):
          load?["misuse"]?.items.first { $0.scalar?.string == misuse.rawValue }
        case .actor(let place): root["byzantine"]?.items[place]
        case .fault(let place): root["faults"]?.items[place]
        }
      faults.append(node ?? root.node, why)
    }
  }

  private func round(
    _ map: ScenarioNode, _ faults: inout [ScenarioFault]
  ) -> Scenario.Round {
    map.check(["first", "second"], &faults)
    func group(_ key: String) -> [ReplicaID] {
      guard let node = map[key] else { return [] }
      if case .replicas(let ids)? = node.anybody(&faults) { return ids }
      faults.append(node, "'\(key)' names replicas one by one: [r0, r2..r4]")
      return []
    }
    return Scenario.Round(first: group("first"), second: group("second"))
  }

  private func cluster(_ node: Node, _ faults: inout [ScenarioFault]) -> Scenario.Cluster {
    let map = ScenarioNode(node, "cluster")
    map.check(
      [
        "replicas", "latency", "loss", "leader-timeout", "seed", "sync", "sql", "signatures",
        "execution", "duration",
      ], &faults)
    var cluster = Scenario.Cluster()
    if let count = map.required("replicas", &faults, readReplicas) { cluster.replicas = count }
    switch map.value("latency", &faults, readLatency) {
    case .uniform(let base, let jitter):
      cluster.latency = base
      cluster.jitter = jitter
    case .profile(let profile): cluster.stand(on: profile)
    case nil: break
    }
    cluster.lossPPM = map.value("loss", &faults, readShare) ?? 0
    cluster.leaderTimeout =
      map.value("leader-timeout", &faults, readTimeout) ?? cluster.leaderTimeout
    cluster.seed =
      map.value("seed", &faults) { text throws(TextFault) in
        try number(text, "seed")
      } ?? 0
    cluster.sync = map.value("sync", &faults, readSpan) ?? cluster.sync
    cluster.sql = map.value("sql", &faults, readSpan) ?? cluster.sql
    cluster.duration = map.value("duration", &faults, readSpan)
    cluster.signatures =
      map.value("signatures", &faults) { text throws(TextFault) in
        try choice(text, "signature scheme", of: Scenario.Signatures.self)
      } ?? .mock
    cluster.execution =
      map.value("execution", &faults) { text throws(TextFault) in
        try choice(text, "kind of execution", of: Scenario.Execution.self)
      } ?? .sql
    return cluster
  }

  private func load(_ node: Node, _ faults: inout [ScenarioFault]) -> Scenario.Load {
    let map = ScenarioNode(node, "load")
    map.check(["clients", "pipeline", "rate", "ledger", "misuse"], &faults)
    var load = Scenario.Load()
    load.clients = map.value("clients", &faults, readClients) ?? load.clients
    load.rate = map.value("rate", &faults, readRate) ?? load.rate
    load.ledger = map.value("ledger", &faults, readFlag) ?? false
    for item in map["misuse"]?.items ?? [] {
      let misuse = item.value("misuse", &faults) { text throws(TextFault) in
        try choice(text, "misuse", of: Misuse.self)
      }
      if let misuse, !load.misuse.contains(misuse) { load.misuse.append(misuse) }
    }
    load.pipeline =
      map.value("pipeline", &faults) { text throws(TextFault) in
        guard text == "bank-transfers" else {
          throw TextFault("'\(text)' is no built-in pipeline", "bank-transfers")
        }
        return text
      } ?? load.pipeline
    return load
  }

  private func byzantine(
    _ node: Node, _ faults: inout [ScenarioFault]
  ) -> Scenario.Byzantine? {
    let map = ScenarioNode(node, "a Byzantine actor")
    let names = Scenario.Byzantine.Actor.allCases
    map.check(names.map(\.rawValue) + ["views", "to"], &faults)
    let played = names.filter { map[$0.rawValue] != nil }
    guard let actor = played.first else {
      faults.append(node, "an actor is one of: \(names.map(\.rawValue).joined(separator: ", "))")
      return nil
    }
    if played.count > 1, let second = map[played[1].rawValue] {
      faults.append(
        second,
        "an entry has one actor; write \(actor.rawValue) and \(played[1].rawValue) as two "
          + "entries, of different replicas")
    }
    guard let who = map[actor.rawValue]?.who(&faults) else { return nil }
    var byzantine = Scenario.Byzantine(actor, who)
    byzantine.views = map.value("views", &faults, readViews)
    byzantine.to = map["to"]?.who(&faults)
    return byzantine
  }

  /// A replica plays one actor: a second one would be ignored.
  private func refuseSecondParts(
    in scenario: Scenario, _ entries: [Node], _ faults: inout [ScenarioFault]
  ) {
    var first: [ReplicaID: String] = [:]
    for (order, ids) in scenario.players.enumerated() {
      let actor = scenario.byzantine[order].actor.rawValue
      if let id = ids.first(where: { first[$0] != nil }), let known = first[id] {
        faults.append(
          entries[order],
          "\(id) plays \(known) already, so it would not play \(actor): name "
            + "another replica here, or take one of the two entries away")
      }
      for id in ids where first[id] == nil { first[id] = actor }
    }
  }

  private func expectation(
    _ node: Node, _ faults: inout [ScenarioFault]
  ) -> Scenario.Expectation {
    let map = ScenarioNode(node, "expect")
    map.check(
      [
        "never", "reaches", "liveness", "replies", "finality", "verifications", "votes-again",
        "evidence", "memory", "planted", "planted-alone", "breaks",
      ], &faults)
    var expect = Scenario.Expectation()
    for item in map["never"]?.items ?? [] {
      if let when = item.value("never", &faults, readForbidden) { expect.never.append(when) }
    }
    for item in map["reaches"]?.items ?? [] {
      let mark = item.value("reaches", &faults) { text throws(TextFault) in
        try choice(text, "mark", of: Mark.self)
      }
      if let mark { expect.reaches.append(mark) }
    }
    expect.liveness = map.value("liveness", &faults, readSpan)
    expect.replies = map.value("replies", &faults, readSpan)
    expect.finality = map.value("finality", &faults, readDelays)
    expect.verifications = map.value("verifications", &faults, readVerifications)
    expect.votesAgain = map["votes-again"]?.who(&faults)
    expect.evidence = map["evidence"]?.who(&faults)
    expect.memory = map.value("memory", &faults, readBytes)
    expect.planted = map.value("planted", &faults, readPlanted)
    expect.plantedAlone = map.value("planted-alone", &faults, readFlag) ?? false
    for item in map["breaks"]?.items ?? [] {
      let check = item.value("breaks", &faults) { text throws(TextFault) in
        try choice(text, "check", of: Check.self)
      }
      if let check { expect.breaks.append(check) }
    }
    return expect
  }
}
