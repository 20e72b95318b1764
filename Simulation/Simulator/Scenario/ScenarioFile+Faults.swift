import Wire
import Yams

/// One entry under `faults:`.
struct FaultReading {
  let map: ScenarioNode

  init(_ node: Node) { map = ScenarioNode(node, "a fault") }

  func fault(_ faults: inout [ScenarioFault]) -> Fault? {
    let before = faults.count
    map.check(Fault.Verb.names + ["at", "for", "until"], &faults)
    let named = map.keys.filter { Fault.Verb.names.contains($0) }
    let verbs = named.filter { $0 != "disk" || named.count == 1 }
    guard let name = verbs.first, verbs.count == 1 else {
      if faults.count == before {
        faults.append(
          map.node, "a fault has exactly one of: \(Fault.Verb.names.joined(separator: ", "))")
      }
      return nil
    }
    let at = map.required("at", &faults, readWhen)
    let verb = verb(name, &faults)
    guard let at, let verb, let lasting = lasting(&faults) else { return nil }
    return Fault(at: at, verb, lasting)
  }

  private func lasting(_ faults: inout [ScenarioFault]) -> Fault.Lasting? {
    if let node = map["for"], map["until"] != nil {
      faults.append(node, "'for' and 'until' exclude one another")
      return nil
    }
    if map["for"] != nil { return map.value("for", &faults, readSpan).map { .span($0) } }
    if map["until"] != nil { return map.value("until", &faults, readWhen).map { .until($0) } }
    return .forever
  }

  private func verb(_ name: String, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    guard let node = map[name] else { return nil }
    switch name {
    case "cut":
      let sides = sides(node, ["from", "to"], &faults)
      return .cut(from: sides.from, to: sides.to)
    case "isolate": return node.who(&faults).map { .isolate($0) }
    case "split": return .split(node.items.compactMap { $0.who(&faults) })
    case "slow": return slow(node, &faults)
    case "drop": return .drop(filter(node, &faults))
    case "duplicate": return .duplicate(filter(node, &faults))
    case "hold": return .hold(filter(node, &faults))
    case "replay": return .replay(filter(node, &faults))
    case "pause": return node.who(&faults).map { .pause($0) }
    case "crash": return crash(node, &faults)
    case "wipe": return node.who(&faults).map { .wipe($0) }
    case "disk": return disk(node, &faults)
    case "clock": return clock(node, &faults)
    case "cpu": return slowed(node, name, &faults).map { .cpu($0.who, $0.span) }
    case "sql": return slowed(node, name, &faults).map { .sql($0.who, $0.span) }
    default: return .calm
    }
  }

  private func crash(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let loss = map.value("disk", &faults) { text throws(TextFault) in
      try choice(text, "power loss", of: PowerLoss.self)
    }
    guard case .mapping = node else {
      return node.who(&faults).map { .crash($0, loss ?? .tornTail, effects: 0) }
    }
    let inner = ScenarioNode(node, "crash")
    inner.check(["of", "effects"], &faults)
    let effects = inner.value("effects", &faults) { text throws(TextFault) in
      Int(clamping: try number(text, "count of effects"))
    }
    return inner["of"]?.who(&faults).map { .crash($0, loss ?? .tornTail, effects: effects ?? 0) }
  }

  private func slow(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    guard case .mapping = node else {
      return node.who(&faults).map {
        .slow(from: $0, to: .all, latency: .milliseconds(500), bytesPerSecond: nil)
      }
    }
    let inner = ScenarioNode(node, "slow")
    let sides = sides(node, ["from", "to", "latency", "bandwidth"], &faults)
    return .slow(
      from: sides.from, to: sides.to,
      latency: inner.value("latency", &faults, readSpan) ?? .milliseconds(500),
      bytesPerSecond: inner.value("bandwidth", &faults, readBandwidth))
  }

  private func disk(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let inner = ScenarioNode(node, "disk")
    inner.check(["of", "is"], &faults)
    let fault = inner.required("is", &faults) { text throws(TextFault) in
      try choice(text, "disk fault", of: Fault.DiskFault.self)
    }
    guard let who = inner["of"]?.who(&faults), let fault else { return nil }
    return .disk(who, fault)
  }

  /// `{ of: r1, takes: 40ms }`.
  private func slowed(
    _ node: Node, _ name: String, _ faults: inout [ScenarioFault]
  ) -> (who: Who, span: Span)? {
    let inner = ScenarioNode(node, name)
    inner.check(["of", "takes"], &faults)
    if inner["of"] == nil { faults.append(node, "\(name) lacks 'of'") }
    let span = inner.required("takes", &faults, readSpan)
    guard let who = inner["of"]?.who(&faults), let span else { return nil }
    return (who, span)
  }

  private func clock(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let inner = ScenarioNode(node, "clock")
    inner.check(["of", "drift", "step", "stuck"], &faults)
    guard let who = inner["of"]?.who(&faults) else {
      faults.append(node, "clock lacks 'of'")
      return nil
    }
    if let drift = inner.value("drift", &faults, readSigned("ppm")) {
      return .clock(who, .drift(drift))
    }
    if let step = inner.value("step", &faults, readSigned("ms")) { return .clock(who, .step(step)) }
    return .clock(who, .stuck)
  }

  private func filter(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Filter {
    let inner = ScenarioNode(node, "a filter")
    let sides = sides(node, ["kind", "view", "from", "to", "rate"], &faults)
    var filter = Fault.Filter()
    filter.from = sides.from
    filter.to = sides.to
    filter.kind = inner.value("kind", &faults) { text throws(TextFault) in
      try choice(text, "kind of message", of: MessageKind.self)
    }
    filter.view = inner.value("view", &faults) { text throws(TextFault) in
      View(try number(text, "view"))
    }
    filter.ratePPM = inner.value("rate", &faults, readShare) ?? 1_000_000
    return filter
  }

  private func sides(
    _ node: Node, _ known: [String], _ faults: inout [ScenarioFault]
  ) -> (from: Who, to: Who) {
    let inner = ScenarioNode(node, "a fault's links")
    inner.check(known, &faults)
    return (inner["from"]?.who(&faults) ?? .all, inner["to"]?.who(&faults) ?? .all)
  }
}

// One reader a shape of text.

func readWhen(_ text: String) throws(TextFault) -> When { try When(text: text) }
func readSpan(_ text: String) throws(TextFault) -> Span { try Span(text: text) }

func readFlag(_ text: String) throws(TextFault) -> Bool {
  guard text == "true" || text == "false" else {
    throw TextFault("'\(text)' is neither true nor false", nearest(text, ["true", "false"]))
  }
  return text == "true"
}

func readReplicas(_ text: String) throws(TextFault) -> Int {
  let count = try number(text, "count of replicas")
  guard (1...40).contains(count) else {
    throw TextFault("\(count) replicas; the simulator takes 1 to 40", nil)
  }
  return Int(count)
}

enum LatencyText {
  case uniform(Span, jitter: Span)
  case profile(NetworkProfile)
}

/// `20ms ± 5ms`, `20ms`, or a profile.
func readLatency(_ text: String) throws(TextFault) -> LatencyText {
  if let profile = NetworkProfile(rawValue: text) { return .profile(profile) }
  let names = NetworkProfile.allCases.map(\.rawValue)
  let parts = text.split(separator: "±").map { $0.filter { $0 != " " } }
  guard let first = parts.first, parts.count <= 2 else {
    throw TextFault("'\(text)' is no latency; write 20ms ± 5ms, or a profile", "lan")
  }
  if first.allSatisfy(\.isLetter), let profile = nearest(first, names) {
    throw TextFault(
      "'\(text)' is no profile; there are: \(names.joined(separator: ", "))", profile)
  }
  return .uniform(try Span(text: first), jitter: parts.count == 2 ? try Span(text: parts[1]) : 0)
}

/// `5%` or `0.1%`, in parts of a million.
func readShare(_ text: String) throws(TextFault) -> UInt64 {
  let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
  guard text.hasSuffix("%"), let whole = parts.first.flatMap({ UInt64($0) }), whole <= 100,
    parts.count <= 2, parts.count == 1 || UInt64(parts[1]) != nil && parts[1].count <= 4
  else { throw TextFault("'\(text)' is no share; write 5% or 0.1%", nil) }
  let fraction = parts.count == 2 ? UInt64(parts[1]) ?? 0 : 0
  let scale: [UInt64] = [0, 1_000, 100, 10, 1]
  return whole * 10_000 + (parts.count == 2 ? fraction * scale[parts[1].count] : 0)
}

func readRate(_ text: String) throws(TextFault) -> UInt64 {
  guard text.hasSuffix("/s") else {
    throw TextFault("'\(text)' is no rate; write 40/s", nil)
  }
  let rate = try number(String(text.dropLast(2)), "rate")
  guard rate <= 10_000 else { throw TextFault("\(rate)/s is over 10000/s", nil) }
  return rate
}

/// `64MB`, `200kB`, `900B`.
func readBytes(_ text: String) throws(TextFault) -> UInt64 {
  for (unit, scale) in [("kB", UInt64(1_000)), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1)]
  where text.hasSuffix(unit) {
    if let count = UInt64(text.dropLast(unit.count)), count < 1 << 32 { return count * scale }
  }
  throw TextFault("'\(text)' is no size; write 64MB", nil)
}

func readBandwidth(_ text: String) throws(TextFault) -> UInt64 {
  guard text.hasSuffix("/s") else {
    throw TextFault("'\(text)' is no bandwidth; write 200kB/s", nil)
  }
  return try readBytes(String(text.dropLast(2)))
}

func readViews(_ text: String) throws(TextFault) -> ClosedRange<UInt64> {
  let parts = text.split(separator: ".").map(String.init)
  guard let start = parts.first, parts.count <= 2 else {
    throw TextFault("'\(text)' is no range of views; write 3..9", nil)
  }
  let first = try number(start, "view")
  let last = parts.count == 2 ? try number(parts[1], "view") : first
  guard first <= last else { throw TextFault("the range '\(text)' runs backwards", nil) }
  return first...last
}

func readSigned(_ unit: String) -> (String) throws(TextFault) -> Int64 {
  { text throws(TextFault) in
    guard text.hasSuffix(unit), let value = Int64(text.dropLast(unit.count)) else {
      throw TextFault("'\(text)' is no number of \(unit); write -200\(unit)", nil)
    }
    return value
  }
}
