import Replication
import Wire

extension Recording {
  /// The run as text, a line an event:
  /// `ID SECONDS LANE WORDS`, then `<ID` where another event brought it about.
  package var trace: String {
    var text =
      "# \(scenario.title)\n# id, seconds, replica, what happened, <what brought it about\n"
    if dropped > 0 { text += "# the first \(dropped) events were not kept\n" }
    for event in events { text += line(event) + "\n" }
    return text
  }

  /// The event's line of the trace.
  package func line(_ event: RecordedEvent) -> String {
    let cause = event.cause.map { " <\($0)" } ?? ""
    return "\(event.id) \(seconds(event.time, digits: 6)) \(name(of: event.lane)) \(words(event))"
      + cause
  }

  func name(of lane: Int) -> String { lane == Self.world ? "world" : lanes[lane].name }

  /// What the lane did, as the rest of a sentence that begins with its name.
  func words(_ event: RecordedEvent) -> String {
    switch event.act {
    case .sent(let topic, let recipient):
      "sends \(topic.words) to \(recipient?.description ?? "all")"
    case .lost(let topic, let lane): "has \(topic.words) lost on its way to \(name(of: lane))"
    case .held(let topic, let lane, let fault):
      "has \(topic.words) to \(name(of: lane)) held back by fault \(fault + 1)"
    case .arrived(let topic, let lane): "receives \(topic.words) from \(name(of: lane))"
    case .alarmRang(let alarm): "hears \(alarm.words) ring"
    case .synced(let votes, let records):
      "syncs \(counted(records, "record"))"
        + (votes.isEmpty ? "" : ": " + votes.map(\.voteWords).joined(separator: ", "))
    case .executed(let height, let root): "executes height \(height) to the root \(root)"
    case .called: "is given a call by a client"
    case .linked(let peer, let up): "\(up ? "gains" : "loses") its link to \(peer)"
    case .entered(let view, let leader): "enters view \(view), which \(leader) leads"
    case .proposed(let view, let height, let block):
      "proposes block \(block) of height \(height) in view \(view)"
    case .voted(let stand): stand.actWords
    case .certified(let stand, let signers):
      "holds the \(stand.certificateWords) by \(Self.list(signers.map(\.description)))"
    case .finalized(let height, let view, let block):
      "finalizes height \(height) with block \(block) of view \(view)"
    case .stateCertified(let height): "holds the state certificate of height \(height)"
    case .noticed(let words): words
    case .started(let again): again ? "starts again from its disk" : "starts"
    case .crashed(let loss): "crashes (disk: \(loss.rawValue))"
    case .paused: "stands still"
    case .resumed: "goes on"
    case .acted: "acts of itself"
    case .faultBegan(let fault): "begins fault \(fault + 1): \(faultWords(fault))"
    case .faultEnded(let fault): "ends fault \(fault + 1): \(faultWords(fault))"
    case .calm: "is calm: everything that is not permanent ends"
    case .violated(let number): "VIOLATES \(violationWords(number))"
    }
  }

  /// The fault as its file says it, without its moments.
  func faultWords(_ fault: Int) -> String { scenario.faults[fault].verb.text }

  func violationWords(_ number: Int) -> String {
    let violation = violations[number]
    return "\(violation.check.rawValue): \(RunReport.told(violation))"
  }

  /// What began the turn in which the event happened, as a reason.
  func reason(of event: RecordedEvent) -> String? {
    guard let cause = self[event.cause] else { return nil }
    switch cause.act {
    case .arrived(let topic, let lane): return "on \(name(of: lane))'s \(topic.words)"
    case .alarmRang(let alarm): return "\(alarm.words) rang"
    case .synced: return "its disk has synced"
    case .executed(let height, _): return "height \(height) is executed"
    case .called: return "on a client's call"
    case .linked(let peer, let up): return "its link to \(peer) is \(up ? "up" : "gone")"
    case .started: return "at its start"
    case .resumed: return "after its pause"
    case .acted: return "of itself"
    default: return nil
    }
  }

  /// `r0, r1 and r2`.
  static func list(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.first ?? "nobody" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}

/// Microseconds as seconds with so many digits behind the point.
func seconds(_ time: UInt64, digits: Int) -> String {
  let fraction = String(time % 1_000_000)
  let padded = String(repeating: "0", count: 6 - fraction.count) + fraction
  return "\(time / 1_000_000).\(padded.prefix(digits))"
}

/// `1,234,567`.
func grouped(_ number: some BinaryInteger) -> String {
  var out = ""
  for (place, digit) in String(number).reversed().enumerated() {
    if place > 0, place % 3 == 0, digit != "-" { out.append(",") }
    out.append(digit)
  }
  return String(out.reversed())
}

func counted(_ count: some BinaryInteger, _ one: String, _ many: String? = nil) -> String {
  "\(count) \(count == 1 ? one : many ?? one + "s")"
}

extension Topic {
  /// `nullify of view 8`, `3 calls`.
  var words: String {
    let of = view.map { " of view \($0)" } ?? height.map { " of height \($0)" } ?? ""
    switch kind {
    case .calls: return counted(count, "call")
    case .announce: return "announcement of \(counted(count, "call"))"
    case .callsWanted: return "request for \(counted(count, "call"))"
    case .viewsWanted: return "request for certificates\(of)"
    case .views: return "\(counted(count, "certificate"))\(count == 0 ? "" : of)"
    case .blockWanted: return "request for block \(block?.description ?? "")"
    case .blocksWanted: return "request for blocks from height \(height ?? 0)"
    case .blocks: return "\(counted(count, "block"))\(count == 0 ? "" : of)"
    case .stateShare: return "state share\(of)"
    case .stateCertificate: return "state certificate\(of)"
    case .stateWanted: return "request for the state\(of)"
    case .proposal, .notarize, .nullify, .finalize, .notarization, .nullification, .finalization:
      return kind.rawValue + of + (block.map { " (\($0))" } ?? "")
    case .evidence, .recovery, .vote, .certificate: return kind.rawValue + of
    }
  }
}

extension RecordedEvent.Stand {
  /// `nullify 8`.
  var voteWords: String { "\(kind) \(view)" }

  /// `finalizes view 8 (4f3a9c21)`.
  var actWords: String {
    "\(When.verb(kind)) view \(view)" + (block.map { " (\($0))" } ?? "")
  }

  var certificateKind: MessageKind {
    switch kind {
    case .notarize: .notarization
    case .nullify: .nullification
    case .finalize: .finalization
    }
  }

  /// `notarization of view 8 (4f3a9c21)`.
  var certificateWords: String {
    "\(certificateKind.rawValue) of view \(view)" + (block.map { " (\($0))" } ?? "")
  }

  var voteKind: MessageKind {
    switch kind {
    case .notarize: .notarize
    case .nullify: .nullify
    case .finalize: .finalize
    }
  }
}

extension Alarm {
  var words: String {
    switch self {
    case .leader(let view): "its leader alarm of view \(view)"
    case .progress(let view): "its progress alarm of view \(view)"
    case .idle(let view): "its idle alarm of view \(view)"
    case .repair: "its repair alarm"
    }
  }
}
