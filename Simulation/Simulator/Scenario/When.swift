import Wire

/// A moment of a story. Present tense is one replica's act, past tense a certificate.
package enum When: Sendable, Hashable {
  case time(Span)
  case view(View, ViewEvent)
  case act(ReplicaID, Ballot.Kind, View)
  case height(Height)
  case calm

  package enum ViewEvent: String, Sendable, Hashable, CaseIterable {
    case proposed, notarized, nullified, finalized
  }

  package var text: String {
    switch self {
    case .time(let span): span.text
    case .view(let view, let event): "view \(view) \(event.rawValue)"
    case .act(let replica, let kind, let view): "\(replica) \(Self.verb(kind)) \(view)"
    case .height(let height): "height \(height)"
    case .calm: "calm"
    }
  }

  /// The view that it is about.
  var view: View? {
    switch self {
    case .view(let view, _), .act(_, _, let view): view
    case .time, .height, .calm: nil
    }
  }

  static func verb(_ kind: Ballot.Kind) -> String {
    switch kind {
    case .notarize: "notarizes"
    case .nullify: "nullifies"
    case .finalize: "finalizes"
    }
  }

  static let shapes = "4s | view 8 proposed | r4 nullifies 8 | height 40 | calm"

  package init(text: String) throws(TextFault) {
    let words = text.split(separator: " ").map(String.init)
    switch words.first {
    case "calm" where words.count == 1: self = .calm
    case "height" where words.count == 2: self = .height(try readHeight(words[1]))
    case "view" where words.count == 3:
      let view = try readView(words[1])
      self = .view(view, try choice(words[2], "view event", of: ViewEvent.self))
    case .some(let word) where words.count == 1: self = .time(try Span(text: word))
    case .some(let word) where words.count == 3:
      let kinds: [(String, Ballot.Kind)] = Ballot.Kind.allCases.map { (Self.verb($0), $0) }
      guard let kind = kinds.first(where: { $0.0 == words[1] })?.1 else {
        throw TextFault("'\(words[1])' is no act", nearest(words[1], kinds.map(\.0)))
      }
      self = .act(try ReplicaID(text: word), kind, try readView(words[2]))
    default:
      throw TextFault("'\(text)' says no moment; write one of: \(Self.shapes)", nil)
    }
  }
}

/// What a story may wait for, or forbid, but not what comes in each run.
func readForbidden(_ text: String) throws(TextFault) -> When {
  let when = try When(text: text)
  switch when {
  case .time, .calm:
    throw TextFault(
      "'\(text)' comes in every run, so a story cannot forbid it; write one of: "
        + "view 8 proposed | r4 nullifies 8 | height 40", nil)
  case .view, .act, .height: return when
  }
}

/// When a fault begins.
func readBegin(_ text: String) throws(TextFault) -> When {
  let when = try When(text: text)
  guard when == .calm else { return when }
  throw TextFault(
    "no fault begins at calm, when all of them end; write one of: "
      + "4s | view 8 proposed | r4 nullifies 8 | height 40", nil)
}

/// Whom a fault or an actor concerns.
package indirect enum Who: Sendable, Hashable {
  case all
  case replicas([ReplicaID])
  case leader
  case leaderOf(View)
  case one
  case f
  case quorum
  /// Those that the other side of the same fault does not name.
  case rest

  package var text: String {
    switch self {
    case .all: "all"
    case .replicas(let ids) where ids.count == 1: "\(ids[0])"
    case .replicas(let ids): "[\(ids.map(\.description).joined(separator: ", "))]"
    case .leader: "leader"
    case .leaderOf(let view): "leader of \(view)"
    case .one: "one"
    case .f: "f"
    case .quorum: "quorum"
    case .rest: "rest"
    }
  }

  static let words = ["all", "leader", "one", "f", "quorum", "rest"]

  /// A single word; lists of replicas are read item by item.
  package init(text: String) throws(TextFault) {
    switch text {
    case "all": self = .all
    case "leader": self = .leader
    case "one": self = .one
    case "f": self = .f
    case "quorum": self = .quorum
    case "rest": self = .rest
    default:
      if text.hasPrefix("leader of ") {
        self = .leaderOf(try readView(String(text.dropFirst(10))))
      } else {
        self = .replicas(try Self.range(text))
      }
    }
  }

  /// `r4` or `r5..r12`.
  static func range(_ text: String) throws(TextFault) -> [ReplicaID] {
    guard text.contains("..") else { return [try ReplicaID(text: text)] }
    let parts = text.split(separator: ".", omittingEmptySubsequences: true).map(String.init)
    guard parts.count == 2 else { throw TextFault("'\(text)' is no range; write r5..r12", nil) }
    let first = try ReplicaID(text: parts[0])
    let last = try ReplicaID(text: parts[1])
    guard first <= last else { throw TextFault("the range '\(text)' runs backwards", nil) }
    return (first.number...last.number).map { ReplicaID($0) }
  }
}

/// Why a word of a scenario is not understood.
package struct TextFault: Error, Hashable {
  let message: String
  let suggestion: String?

  init(_ message: String, _ suggestion: String?) {
    self.message = message
    self.suggestion = suggestion
  }
}

func number(_ text: String, _ what: String) throws(TextFault) -> UInt64 {
  let value = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  guard let value else { throw TextFault("'\(text)' is no \(what); write a whole number", nil) }
  return value
}

func choice<Choice: RawRepresentable & CaseIterable>(
  _ text: String, _ what: String, of type: Choice.Type
) throws(TextFault) -> Choice where Choice.RawValue == String {
  if let found = Choice(rawValue: text) { return found }
  let names = Choice.allCases.map(\.rawValue)
  throw TextFault(
    "'\(text)' is no \(what); there are: \(names.joined(separator: ", "))", nearest(text, names))
}

/// The name that was probably meant: at most three letters away, or nil.
func nearest(_ word: String, _ names: [String]) -> String? {
  let measured = names.map {
    (name: $0, distance: editDistance(Array(word.utf8), Array($0.utf8)))
  }
  guard let best = measured.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance <= min(3, max(1, word.count / 2)) ? best.name : nil
}

extension ReplicaID {
  init(text: String) throws(TextFault) {
    guard text.hasPrefix("r"), let number = UInt16(text.dropFirst()) else {
      throw TextFault("'\(text)' names no replica; write r0, r1, …", nearest(text, Who.words))
    }
    guard number < ScenarioLimits.replicasMax else {
      throw TextFault(
        "'\(text)' is beyond r\(ScenarioLimits.replicasMax - 1), the last there is", nil)
    }
    self.init(number)
  }
}

extension Span {
  /// `20ms`, `1.5s`, `300us`, `2m`.
  package init(text: String) throws(TextFault) {
    let units: [(String, UInt64)] = [
      ("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000),
    ]
    for (unit, scale) in units where text.hasSuffix(unit) {
      let parts = text.dropLast(unit.count).split(
        separator: ".", omittingEmptySubsequences: false)
      guard let whole = parts.first.flatMap({ UInt64($0) }), parts.count <= 2 else { continue }
      let most = ScenarioLimits.spanMax.number
      var micros = min(whole, most / scale + 1) * scale
      if parts.count == 2 {
        guard let tenths = UInt64(parts[1]), !parts[1].isEmpty, parts[1].count <= 3 else {
          continue
        }
        micros += tenths * scale / [1, 10, 100, 1_000][parts[1].count]
      }
      guard micros <= most else {
        throw TextFault("'\(text)' is too long; write \(most / 3_600_000_000)h at most", nil)
      }
      self.init(micros)
      return
    }
    throw TextFault("'\(text)' is no span; write 20ms, 1.5s or 2m", nil)
  }

  package var text: String {
    if number % 1_000_000 == 0 { return "\(number / 1_000_000)s" }
    if number % 1_000 == 0 { return "\(number / 1_000)ms" }
    return "\(number)us"
  }
}
