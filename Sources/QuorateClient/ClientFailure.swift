import Certification
import Wire

/// Why something was not done: what happened, why, and what to do next. What failed a check is
/// never in it.
public struct ClientFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// Refused, with a certificate: final.
    case refused
    /// Refused by replicas without a certificate: not final, but sending it again as it is will
    /// most likely end the same.
    case rejected
    /// No certificate came in time; the call may still take effect.
    case undecided
    /// Nobody answered.
    case unreachable
    /// Answers came and failed their checks.
    case untrusted
    /// Answers came that are older than asked for, or of a height that is gone.
    case stale
    /// What the caller gave cannot be sent.
    case invalid
  }

  /// What helps against answers that are too old.
  static let freshen =
    "See `quorate cluster why`: while no update becomes final, answers grow old. `quorate query` "
    + "takes older ones with --max-age SECONDS"

  public let kind: Kind
  /// Stable, for programs: `FROZEN`, `UNREACHABLE`.
  public let code: String
  public let what: String
  public let why: String
  public let next: String
  /// The request's id, when a call was signed: 64 hexadecimal digits.
  public internal(set) var request: String?
  /// Of several that were sent as one ingest: which one, from 0.
  package internal(set) var batch: Int?
  /// Every replica's machine answered that nothing listens there.
  package internal(set) var nobodyListens = false
  /// Whether trying again would end the same.
  var isSettled = false
  /// The certified refusal, when there is one.
  package internal(set) var receipt: CertifiedReceipt?

  init(_ kind: Kind, _ code: String, what: String, why: String, next: String) {
    self.kind = kind
    self.code = code
    self.what = what
    self.why = why
    self.next = next
  }

  /// For people: what a replica wrote has its control characters as escapes, and its lines stand
  /// back. What is to be done stands on a line of its own where the reason ends in words to be
  /// copied.
  public var description: String {
    let (why, code) = (self.why.inset, self.code.inOneLine)
    let endsInFix = why.contains("\n") || why.hasSuffix("?")
    var words = "\(what): \(why)"
    if !next.isEmpty { words += (endsInFix ? "\n" : ". ") + next }
    guard !code.isEmpty else { return words }
    return words + (endsInFix && next.isEmpty ? "\n" : " ") + "[\(code)]"
  }

  /// The refusal's own words, certified.
  static func refused(_ refusal: Refusal, _ certified: CertifiedReceipt) -> ClientFailure {
    var failure = ClientFailure(
      .refused, refusal.code, what: "the call was refused, which is certified and final",
      why: refusal.message, next: "")
    failure.request = certified.proof.receipt.call.hex
    failure.receipt = certified
    failure.isSettled = true
    return failure
  }
}

/// What one replica did wrong with one request.
enum ReplicaFault: Error, Sendable {
  /// The connection, or an answer that is none.
  case transport(TransportFault)
  /// The replica refuses; its word alone.
  case refused(Refusal, status: Int, readable: ClosedRange<Height>?)
  /// A check failed: which one.
  case untrusted(String)
  /// True, but older than asked for: how.
  case stale(String)
  /// More than this machine has room for before any of it can be checked: how.
  case tooLarge(String)

  var isRefusedConnection: Bool {
    if case .transport(let fault) = self { fault.isRefusedConnection } else { false }
  }

  var words: String {
    switch self {
    case .transport(let fault): fault.description
    case .refused(let refusal, _, _): refusal.message
    case .untrusted(let check): "its answer failed a check: \(check)"
    case .stale(let how): how
    case .tooLarge(let how): how
    }
  }
}

/// The faults of a round over replicas, told as one failure.
struct Blame: Sendable {
  private(set) var faults: [(ReplicaID, ReplicaFault)] = []

  mutating func add(_ replica: ReplicaID, _ fault: ReplicaFault) {
    faults.removeAll { $0.0 == replica }
    faults.append((replica, fault))
  }

  /// How many distinct replicas refused with this code.
  func count(refusing code: String) -> Int {
    faults.count { fault in
      if case .refused(let refusal, _, _) = fault.1 { refusal.code == code } else { false }
    }
  }

  /// The gravest of the faults, with what each replica did: where all were asked one by one.
  func failureOfAll(_ what: String) -> ClientFailure {
    let gravest = failure(what)
    guard faults.count > 1 else { return gravest }
    var told: [(words: String, replicas: [String])] = []
    for (replica, fault) in faults {
      if let place = told.firstIndex(where: { $0.words == fault.words }) {
        told[place].replicas.append("\(replica)")
      } else {
        told.append((fault.words, ["\(replica)"]))
      }
    }
    let why = told.map { "\($0.replicas.joined(separator: ", ")): \($0.words)" }
    var failure = ClientFailure(
      gravest.kind, gravest.code, what: what, why: why.joined(separator: "; "),
      next: gravest.next)
    failure.nobodyListens = gravest.nobodyListens
    return failure
  }

  /// The gravest of the faults: what this machine has no room for before a failed check before
  /// staleness before a refusal before silence.
  func failure(_ what: String) -> ClientFailure {
    for (replica, fault) in faults {
      guard case .tooLarge(let how) = fault else { continue }
      return ClientFailure(
        .untrusted, "NO_ROOM", what: what, why: "\(replica): \(how)",
        next: "Nothing of it was kept. Ask again with more room: free some of the disk, or name a "
          + "file on another one")
    }
    for (replica, fault) in faults {
      guard case .untrusted(let check) = fault else { continue }
      return ClientFailure(
        .untrusted, "UNTRUSTED", what: what, why: "\(replica) failed a check: \(check)",
        next: "Nothing of it is shown. Ask again; if it stays so, \(replica) is faulty")
    }
    for (_, fault) in faults {
      guard case .stale(let how) = fault else { continue }
      return ClientFailure(
        .stale, "STALE", what: what, why: how,
        next: ClientFailure.freshen)
    }
    for (replica, fault) in faults {
      guard case .refused(let refusal, _, _) = fault else { continue }
      return ClientFailure(
        .rejected, refusal.code, what: what, why: "\(replica) says: \(refusal.message)", next: "")
    }
    let words = faults.prefix(3).map { "\($0.0): \($0.1.words)" }.joined(separator: "; ")
    let more = faults.count > 3 ? "; and \(faults.count - 3) more alike" : ""
    var failure = ClientFailure(
      .unreachable, "UNREACHABLE", what: what,
      why: faults.isEmpty ? "no replica was asked" : words + more,
      next: "See who is up with `quorate cluster status`")
    failure.nobodyListens =
      !faults.isEmpty && faults.allSatisfy { $0.1.isRefusedConnection }
    return failure
  }
}
