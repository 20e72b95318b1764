import Wire
import Yams

/// One entry under `faults:`.
struct FaultReading {
  let map: ScenarioNode
  /// How many the cluster has.
  let replicas: Int

  init(_ node: Node, replicas: Int) {
    map = ScenarioNode(node, "a fault")
    self.replicas = replicas
  }

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
    refuseIdle(name, &faults)
    let at = map.required("at", &faults, readBegin)
    let verb = verb(name, &faults)
    guard let at, let verb, let lasting = lasting(&faults) else { return nil }
    return Fault(at: at, verb, lasting)
  }

  /// Keys that would be ignored beside this verb.
  private func refuseIdle(_ name: String, _ faults: inout [ScenarioFault]) {
    if name != "disk", name != "crash", let node = map["disk"] {
      faults.append(
        node,
        "'disk' says what a crash loses, so it says nothing beside \(name): take it away, or "
          + "write a fault of its own: disk: { of: r1, is: full }")
    }
    if name == "calm", let node = map["for"] ?? map["until"] {
      faults.append(node, "calm lasts to the end of the run: take 'for' and 'until' away")
    }
  }

  private func lasting(_ faults: inout [ScenarioFault]) -> Fault.Lasting? {
    if let node = map["for"], map["until"] != nil {
      faults.append(node, "'for' and 'until' exclude one another")
      return nil
    }
    if map["for"] != nil { return map.value("for", &faults, readLasting) }
    if map["until"] != nil { return map.value("until", &faults, readWhen).map { .until($0) } }
    return .forever
  }

  private func verb(_ name: String, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    guard let node = map[name] else { return nil }
    switch name {
    case "cut": return cut(node, &faults)
    case "isolate": return isolate(node, &faults)
    case "split": return split(node, &faults)
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
    default:
      return node.value(name, &faults) { text throws(TextFault) in
        guard text == "all" else { throw TextFault("calm comes over all; write calm: all", nil) }
        return .calm
      }
    }
  }

  private func cut(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let sides = sides(node, ["from", "to"], &faults)
    if case .replicas(let from) = sides.from, case .replicas(let to) = sides.to,
      Set(from + to).count == 1
    {
      faults.append(
        node,
        "\(from[0]) always hears itself, so this cuts nothing: name another replica under "
          + "'from' or 'to'")
      return nil
    }
    return .cut(from: sides.from, to: sides.to)
  }

  private func isolate(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    guard let who = node.who(&faults) else { return nil }
    var isEverybody = who == .all
    if case .replicas(let ids) = who, replicas > 1 { isEverybody = Set(ids).count >= replicas }
    guard isEverybody else { return .isolate(who) }
    faults.append(
      node,
      "this cuts nobody off, since everybody is on the same side: name fewer, such as "
        + "isolate: r1")
    return nil
  }

  /// Groups of which each replica is in one.
  private func split(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let before = faults.count
    var groups: [[ReplicaID]] = []
    for item in node.items {
      switch item.who(&faults) {
      case .replicas(let ids)?: groups.append(ids)
      case nil: break
      default: faults.append(item, "a group names its replicas one by one: [[r0, r1], [r2, r3]]")
      }
    }
    guard faults.count == before else { return nil }
    var open = (0..<UInt16(replicas)).map { ReplicaID($0) }
    for (group, item) in zip(groups, node.items) {
      let others = groups.count { $0.contains { group.contains($0) } }
      if others > 1 {
        faults.append(
          item,
          "\(Who.replicas(group).text) shares replicas with another group: "
            + "write each replica in one group only")
      }
      open.removeAll { group.contains($0) }
    }
    if groups.count < 2 {
      faults.append(node, "one group is no split: write two or more: [[r0, r1], [r2, r3]]")
    } else if !open.isEmpty {
      faults.append(
        node,
        "\(Who.replicas(open).text) would still be heard by all: write each replica in a "
          + "group, also one of its own")
    }
    return faults.count == before ? .split(groups.map { .replicas($0) }) : nil
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
    return whom(inner, &faults).map { .crash($0, loss ?? .tornTail, effects: effects ?? 0) }
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
    guard let who = whom(inner, &faults), let fault else { return nil }
    return .disk(who, fault)
  }

  /// Whose process, disk or clock it is.
  private func whom(_ inner: ScenarioNode, _ faults: inout [ScenarioFault]) -> Who? {
    guard let node = inner["of"] else {
      faults.append(inner.node, "\(inner.what) lacks 'of': say whose, such as of: r1")
      return nil
    }
    return node.who(&faults)
  }

  /// `{ of: r1, takes: 40ms }`.
  private func slowed(
    _ node: Node, _ name: String, _ faults: inout [ScenarioFault]
  ) -> (who: Who, span: Span)? {
    let inner = ScenarioNode(node, name)
    inner.check(["of", "takes"], &faults)
    let span = inner.required("takes", &faults, readTurn)
    guard let who = whom(inner, &faults), let span else { return nil }
    return (who, span)
  }

  private func clock(_ node: Node, _ faults: inout [ScenarioFault]) -> Fault.Verb? {
    let inner = ScenarioNode(node, "clock")
    inner.check(["of", "drift", "step", "stuck"], &faults)
    let kinds = ["drift", "step", "stuck"].filter { inner[$0] != nil }
    guard let who = whom(inner, &faults) else { return nil }
    guard let kind = kinds.first, kinds.count == 1 else {
      faults.append(
        node,
        "a clock has one of drift, step and stuck at a time: write drift: 200ppm, step: "
          + "300ms or stuck: true, each as a fault of its own")
      return nil
    }
    let fault: Fault.ClockFault? =
      switch kind {
      case "drift":
        inner.value(kind, &faults, readSigned("ppm", most: ScenarioLimits.driftMax))
          .map { .drift($0) }
      case "step":
        inner.value(kind, &faults, readSigned("ms", most: ScenarioLimits.stepMax))
          .map { .step($0) }
      default: inner.value(kind, &faults, readStuck)
      }
    return fault.map { .clock(who, $0) }
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
    filter.view = inner.value("view", &faults, readView)
    filter.ratePPM = inner.value("rate", &faults, readShare) ?? 1_000_000
    if filter.ratePPM == 0, let node = inner["rate"] {
      faults.append(node, "0% of the messages are none: write more, or take the fault away")
    }
    return filter
  }

  private func sides(
    _ node: Node, _ known: [String], _ faults: inout [ScenarioFault]
  ) -> (from: Who, to: Who) {
    let inner = ScenarioNode(node, "a fault's links")
    inner.check(known, &faults)
    let from = inner["from"]?.side(&faults) ?? .all
    let to = inner["to"]?.side(&faults) ?? .all
    for (key, side, other) in [("from", from, to), ("to", to, from)]
    where side == .rest && (other == .all || other == .rest) {
      faults.append(
        inner[key] ?? node,
        "no rest is left of all: name replicas at the other end, such as from: "
          + "r1, to: rest")
    }
    return (from, to)
  }
}

// One reader a shape of text.

func readWhen(_ text: String) throws(TextFault) -> When { try When(text: text) }
func readSpan(_ text: String) throws(TextFault) -> Span { try Span(text: text) }

/// `3s`, or `ever`: beyond calm.
func readLasting(_ text: String) throws(TextFault) -> Fault.Lasting {
  text == "ever" ? .ever : .span(try readSpan(text))
}

func readFlag(_ text: String) throws(TextFault) -> Bool {
  guard text == "true" || text == "false" else {
    throw TextFault("'\(text)' is neither true nor false", nearest(text, ["true", "false"]))
  }
  return text == "true"
}

func readReplicas(_ text: String) throws(TextFault) -> Int {
  let count = try number(text, "count of replicas")
  let most = ScenarioLimits.replicasMax
  guard (1...UInt64(most)).contains(count) else {
    throw TextFault("\(count) replicas; the simulator takes 1 to \(most)", nil)
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
  let latency = try Span(text: first)
  let jitter = parts.count == 2 ? try Span(text: parts[1]) : 0
  guard jitter <= latency else {
    throw TextFault(
      "with '\(text)' a message may arrive before it is sent; write a jitter of \(latency.text) at "
        + "most", nil)
  }
  return .uniform(latency, jitter: jitter)
}

/// `5%` or `0.1%`, in parts of a million.
func readShare(_ text: String) throws(TextFault) -> UInt64 {
  let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
  guard text.hasSuffix("%"), let whole = parts.first.flatMap({ UInt64($0) }), whole <= 100,
    parts.count <= 2, parts.count == 1 || UInt64(parts[1]) != nil && parts[1].count <= 4
  else { throw TextFault("'\(text)' is no share; write 5% or 0.1%", nil) }
  let fraction = parts.count == 2 ? UInt64(parts[1]) ?? 0 : 0
  let scale: [UInt64] = [0, 1_000, 100, 10, 1]
  let ppm = whole * 10_000 + (parts.count == 2 ? fraction * scale[parts[1].count] : 0)
  guard ppm <= 1_000_000 else { throw TextFault("'\(text)' is over 100%", nil) }
  return ppm
}

func readRate(_ text: String) throws(TextFault) -> UInt64 {
  guard text.hasSuffix("/s") else {
    throw TextFault("'\(text)' is no rate; write 40/s", nil)
  }
  let rate = try number(String(text.dropLast(2)), "rate")
  let most = ScenarioLimits.rateMax
  guard (1...most).contains(rate) else {
    throw TextFault("\(rate)/s; clients call 1/s to \(most)/s, and without 'load' never", nil)
  }
  return rate
}

/// `60/view`.
func readVerifications(_ text: String) throws(TextFault) -> UInt64 {
  guard text.hasSuffix("/view") else {
    throw TextFault("'\(text)' is no count of signatures a view; write 60/view", nil)
  }
  let count = try number(String(text.dropLast(5)), "count of signatures")
  guard count > 0 else { throw TextFault("a replica checks signatures; write 60/view", nil) }
  return count
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
  let bytes = try readBytes(String(text.dropLast(2)))
  guard bytes > 0 else { throw TextFault("'\(text)' lets nothing pass; write cut instead", nil) }
  return bytes
}

func readViews(_ text: String) throws(TextFault) -> ClosedRange<UInt64> {
  let parts = text.split(separator: ".").map(String.init)
  guard let start = parts.first, parts.count <= 2 else {
    throw TextFault("'\(text)' is no range of views; write 3..9", nil)
  }
  let first = try readView(start).number
  let last = parts.count == 2 ? try readView(parts[1]).number : first
  guard first <= last else { throw TextFault("the range '\(text)' runs backwards", nil) }
  return first...last
}

func readSigned(_ unit: String, most: Int64) -> (String) throws(TextFault) -> Int64 {
  { text throws(TextFault) in
    guard text.hasSuffix(unit), let value = Int64(text.dropLast(unit.count)) else {
      throw TextFault("'\(text)' is no number of \(unit); write -200\(unit)", nil)
    }
    guard (-most...most).contains(value) else {
      throw TextFault("'\(text)' is too much; write -\(most)\(unit) to \(most)\(unit)", nil)
    }
    return value
  }
}
