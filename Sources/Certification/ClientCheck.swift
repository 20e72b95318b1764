/// Certification: the state trie, proofs and certified answers, and every check of them.
///
/// - Safety: a root is a pure function of the rows; what a check lets through is signed by a
///   quorum, by `f + 1` replicas or by the one replica it names, and nothing asked for is missing.
/// - Bound: requests, results, proofs and files have limits (`AnswerLimits`); checking takes time
///   in proportion to their bytes and signatures, and no recursion.
import Signing
import Synchronization
import Wire

/// Which check an answer failed, and how: what a client shows instead of the answer.
package struct CheckFault: Error, Hashable, Sendable, CustomStringConvertible {
  package let check: Check
  package let reason: String

  package enum Check: String, Hashable, Sendable {
    /// It answers something else than was asked.
    case request
    /// A replica's signature under its answer.
    case signature
    /// The signatures of a quorum under a state.
    case certificate
    /// The path from rows or a receipt to what was certified.
    case proof
    /// True, but too old.
    case stale
    /// Equal answers of enough replicas.
    case quorum
    /// The file that an answer was saved in.
    case file
  }

  package init(_ check: Check, _ reason: String) {
    self.check = check
    self.reason = reason
  }

  package var description: String { "\(check.rawValue): \(reason)" }
}

/// How old an answer may be.
package struct Freshness: Hashable, Sendable {
  package let now: Moment
  /// nil: however old.
  package let ageMax: Span?
  /// The height at which an update of one's own can be read, for example.
  package let heightMin: Height?

  package init(now: Moment, ageMax: Span?, heightMin: Height? = nil) {
    self.now = now
    self.ageMax = ageMax
    self.heightMin = heightMin
  }

  /// For answers that were saved: true then is all one asks.
  package static let any = Freshness(now: 0, ageMax: nil)

  package func check(height: Height, time: Moment) throws(CheckFault) {
    if let heightMin, height < heightMin {
      throw CheckFault(.stale, "height \(height), asked for \(heightMin) or above")
    }
    if let ageMax, now.above(time) > ageMax.milliseconds {
      throw CheckFault(
        .stale,
        "its block is \(now.above(time)) ms old, at most \(ageMax.milliseconds) ms were asked for")
    }
  }
}

/// What a client checks before it believes, with the subnet's public keys alone.
///
/// - Safety: an answer comes back only when each of its checks held; the first that did not is the
///   error. Nothing that a replica sends makes it trap.
package struct ClientCheck: Sendable {
  package let committee: Committee
  package let verifier: Verifier
  private let verified = VerifiedCertificates()

  package init(committee: Committee, verifier: Verifier = .ed25519) {
    self.committee = committee
    self.verifier = verifier
  }

  /// A quorum signed this state.
  package func check(_ certificate: StateCertificate) throws(CheckFault) {
    guard !verified.contains(certificate) else { return }
    if let flaw = verifier.flaw(in: certificate, committee) {
      throw CheckFault(.certificate, flaw.description)
    }
    verified.insert(certificate)
  }

  /// One replica signed this answer to this query.
  /// - Returns: the result; as true as that replica is honest.
  package func check(
    _ answer: SignedAnswer, to request: QueryRequest, _ freshness: Freshness = .any
  ) throws(CheckFault) -> ResultTable {
    let content = answer.content
    guard content.subnet == committee.subnet, content.epoch == committee.epoch else {
      throw CheckFault(.request, "it is of another subnet or epoch")
    }
    guard request.subnet == committee.subnet, content.subject == request.subject else {
      throw CheckFault(.request, "it answers another query")
    }
    if let height = request.height, content.height != height {
      throw CheckFault(.request, "it is of height \(content.height), asked for \(height)")
    }
    guard let key = committee.key(of: answer.replica) else {
      throw CheckFault(.signature, "\(answer.replica) is no member of the subnet")
    }
    let statement = content.statement(by: answer.replica)
    guard verifier.verifies(answer.signature, of: statement, by: key) else {
      throw CheckFault(.signature, "the signature of \(answer.replica) does not verify")
    }
    try freshness.check(height: content.height, time: content.time)
    return content.result
  }

  /// `f + 1` replicas signed equal answers, so one that is correct did.
  /// - Parameter answers: of any replicas in any order; wrong ones do not count.
  /// - Returns: the content they agree on, of the highest height when there are several.
  package func check(
    quorum answers: [SignedAnswer], to request: QueryRequest, _ freshness: Freshness = .any
  ) throws(CheckFault) -> AnswerContent {
    let needed = committee.faultsMax + 1
    var groups: [(statement: AnswerStatement, content: AnswerContent, count: Int)] = []
    var seen: [ReplicaID] = []
    var firstFault: CheckFault?
    for answer in answers where !seen.contains(answer.replica) {
      do throws(CheckFault) {
        _ = try check(answer, to: request)
      } catch {
        firstFault = firstFault ?? error
        continue
      }
      seen.append(answer.replica)
      // The statement without its signer names the content: it holds the result's digest.
      let statement = answer.content.statement(by: 0)
      if let index = groups.firstIndex(where: { $0.statement == statement }) {
        groups[index].count += 1
      } else {
        groups.append((statement, answer.content, 1))
      }
    }
    let agreed = groups.filter { $0.count >= needed }
      .max { $0.content.height < $1.content.height }
    guard let agreed else {
      let most = groups.map(\.count).max() ?? 0
      let detail =
        firstFault.map { "; one was refused (\($0))" } ?? ""
      throw CheckFault(
        .quorum,
        "\(most) of \(needed) equal answers, \(groups.count) different ones at all\(detail)")
    }
    try freshness.check(height: agreed.content.height, time: agreed.content.time)
    return agreed.content
  }

  /// The receipt lies under a state that a quorum signed.
  /// - Parameter call: the digest of the call asked about; nil takes any.
  package func check(
    _ certified: CertifiedReceipt, of call: Digest?
  ) throws(CheckFault) -> Receipt {
    let (receipt, statement) = (certified.proof.receipt, certified.certificate.statement)
    if let call, receipt.call != call {
      throw CheckFault(.request, "it is the receipt of another call, \(receipt.call)")
    }
    try check(certified.certificate)
    guard receipt.height == statement.height, receipt.time == statement.time else {
      throw CheckFault(.proof, "the receipt and the certificate are of different heights or times")
    }
    guard let root = certified.proof.root else {
      throw CheckFault(.proof, "its path does not fit its place in the block")
    }
    guard root == statement.receiptsRoot else {
      throw CheckFault(.proof, "receipt hash differs: it leads to another receipts root")
    }
    return receipt
  }
}

/// The certificates that this check verified last: all receipts of a block share one.
///
/// - Safety: equal to the last signature byte, or it is verified anew.
/// - Bound: `AnswerLimits.certificatesKept`.
private final class VerifiedCertificates: Sendable {
  private let recent = Mutex<[StateCertificate]>([])

  func contains(_ certificate: StateCertificate) -> Bool {
    recent.withLock { $0.contains(certificate) }
  }

  func insert(_ certificate: StateCertificate) {
    recent.withLock { recent in
      if recent.count == AnswerLimits.certificatesKept { recent.removeFirst() }
      recent.append(certificate)
    }
  }
}
