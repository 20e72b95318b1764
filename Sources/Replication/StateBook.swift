import Consensus
import Wire

/// State shares and certificates around the executed height.
///
/// - Safety: the first share of a signer at a height counts; signatures are checked before a
///   certificate is made.
/// - Bound: `ReplicaLimits.statesRetained` heights below the executed one and
///   `ReplicaLimits.statesAheadMax` above; certificates also of
///   `ReplicaLimits.certificatesAheadMax` finalized heights that wait for execution.
struct StateBook: Sendable {
  struct Entry: Sendable {
    /// What this replica computed.
    var statement: StateStatement?
    var own: StateShare?
    var shares: [StateShare] = []
    var signers = MemberSet()
    var verified = MemberSet()
    var certificate: StateCertificate?
    /// The tick at which it was executed here.
    var executedAt: UInt64 = 0
  }

  private var entries: [Height: Entry] = [:]
  private var lowest: Height = 1
  /// Heights executed here that lack a certificate, ascending.
  private(set) var uncertified: [Height] = []
  private(set) var highest: StateCertificate?

  subscript(_ height: Height) -> Entry? { entries[height] }
  var highestHeight: Height { highest?.height ?? 0 }
  var lowestKept: Height { lowest }
  var count: Int { entries.count }

  mutating func update(_ height: Height, _ change: (inout Entry) -> Void) {
    guard height >= lowest else { return }
    change(&entries[height, default: Entry()])
  }

  /// Looks at an entry where it lies; entries are large.
  private mutating func look<R>(at height: Height, _ look: (inout Entry) -> R) -> R? {
    guard let place = entries.index(forKey: height) else { return nil }
    return look(&entries.values[place])
  }

  mutating func isCertified(_ height: Height) -> Bool {
    look(at: height) { $0.certificate != nil } ?? false
  }

  /// This replica executed the height.
  mutating func executed(_ statement: StateStatement, tick: UInt64) {
    let highest = highest
    update(statement.height) {
      $0.statement = statement
      $0.executedAt = tick
      if $0.certificate == nil, highest?.height == statement.height { $0.certificate = highest }
    }
    if entries[statement.height]?.certificate == nil { uncertified.append(statement.height) }
  }

  /// - Parameter last: the last height of which more than the highest certificate is kept.
  mutating func note(_ certificate: StateCertificate, upTo last: Height) {
    if certificate.height <= last { update(certificate.height) { $0.certificate = certificate } }
    uncertified.removeAll { $0 == certificate.height }
    if certificate.height > highestHeight { highest = certificate }
  }

  mutating func forget(below height: Height) {
    guard height > lowest else { return }
    uncertified.removeAll { $0 < height }
    if height.above(lowest) > 4 * ReplicaLimits.statesRetained {
      for old in entries.keys.sorted() where old < height { entries[old] = nil }
      lowest = height
    }
    while lowest < height {
      entries[lowest] = nil
      lowest = lowest.next
    }
  }

  enum Admission { case counted, repeated, conflicting(StateShare) }

  mutating func admit(_ share: StateShare, verified: Bool) -> Admission {
    let height = share.statement.height
    guard height >= lowest else { return .counted }
    return { (entry: inout Entry) -> Admission in
      if entry.signers.contains(share.signer),
        let first = entry.shares.first(where: { $0.signer == share.signer })
      {
        return first.statement == share.statement ? .repeated : .conflicting(first)
      }
      entry.shares.append(share)
      entry.signers.insert(share.signer)
      if verified { entry.verified.insert(share.signer) }
      return .counted
    }(&entries[height, default: Entry()])
  }

  /// Verifies what is not yet, of one statement or of all.
  /// - Returns: whose signatures do not hold; they are no longer counted.
  mutating func verify(
    _ height: Height, only statement: StateStatement?, _ verifies: (StateShare) -> Bool
  ) -> [ReplicaID] {
    var culprits: [ReplicaID] = []
    update(height) { entry in
      for share in entry.shares
      where !entry.verified.contains(share.signer)
        && (statement == nil || share.statement == statement)
      {
        if verifies(share) {
          entry.verified.insert(share.signer)
        } else {
          culprits.append(share.signer)
        }
      }
      entry.shares.removeAll { culprits.contains($0.signer) }
      for culprit in culprits { entry.signers.remove(culprit) }
    }
    return culprits
  }

  /// How many stand behind the statement, and behind the one that most stand behind.
  mutating func support(
    _ height: Height, _ statement: StateStatement
  ) -> (own: Int, most: Int, all: Int) {
    look(at: height) { entry in
      var counts: [(statement: StateStatement, count: Int)] = []
      for share in entry.shares {
        if let place = counts.firstIndex(where: { $0.statement == share.statement }) {
          counts[place].count += 1
        } else {
          counts.append((share.statement, 1))
        }
      }
      let own = counts.first { $0.statement == statement }?.count ?? 0
      return (own, counts.map(\.count).max() ?? 0, entry.shares.count)
    } ?? (0, 0, 0)
  }
}
