import Consensus
import Signing
import Wire

/// The calls that one replica holds and that are not finalized yet.
///
/// - Liveness: calls leave in the order of their arrival, or by turns where they are too many for a
///   block; one peer cannot fill the pool.
/// - Bound: `Limits.poolCallsMax` calls and `Limits.poolBytesMax` bytes, of one peer a share.
struct CallPool: Sendable {
  struct Entry: Sendable {
    let call: VerifiedCall
    /// nil for a client of this replica.
    let origin: ReplicaID?
    let order: UInt64
  }

  private var entries: [Digest: Entry] = [:]
  /// Others that said they hold the body of an entry. Apart from the entries, which are large.
  private var announcers: [Digest: MemberSet] = [:]
  /// Digests in the order of arrival, with gaps where calls left.
  private var queue: [Digest] = []
  private var first = 0
  /// How many digests left the queue's front since the start.
  private var passed = 0
  /// Up to where in the order of arrival each leader was told.
  private var toldUpTo: [Int]
  private var arrived: UInt64 = 0
  private(set) var bytes = 0
  private var perPeer: [Int]
  private var perPeerBytes: [Int]
  private let peerCallsMax: Int
  private let peerBytesMax: Int
  private var ordered: Set<Digest> = []
  private var orderedRing: [Digest] = []
  private var orderedNext = 0
  /// Announcements of bodies that are not here yet.
  private var rumours: [Digest: MemberSet] = [:]
  private var rumourOrder: [Digest] = []
  /// Rumours that each member began since they were forgotten.
  private var rumoursBegun: [Int]
  private let peerRumoursMax: Int

  init(committee: Committee) {
    perPeer = [Int](repeating: 0, count: committee.size)
    toldUpTo = perPeer
    perPeerBytes = perPeer
    rumoursBegun = perPeer
    let shares = committee.faultsMax + 1
    peerCallsMax = min(Limits.poolCallsPerPeerMax, Limits.poolCallsMax / shares)
    peerBytesMax = Limits.poolBytesMax / shares
    peerRumoursMax = Limits.poolCallsMax / shares
  }

  var count: Int { entries.count }
  var isEmpty: Bool { entries.isEmpty }
  var rumourCount: Int { max(rumours.count, rumourOrder.count) }
  var orderedCount: Int { ordered.count }
  subscript(_ digest: Digest) -> Entry? { entries[digest] }
  func holds(_ digest: Digest) -> Bool { entries[digest] != nil }
  func wasOrdered(_ digest: Digest) -> Bool { ordered.contains(digest) }

  enum Admission { case added, known, full }

  mutating func add(_ call: VerifiedCall, from origin: ReplicaID?) -> Admission {
    if entries[call.digest] != nil || ordered.contains(call.digest) {
      if let origin { announce(call.digest, by: origin) }
      return .known
    }
    let size = call.signed.body.count + 512
    guard entries.count < Limits.poolCallsMax, bytes + size <= Limits.poolBytesMax else {
      return .full
    }
    if let origin {
      guard perPeer[origin.index] < peerCallsMax,
        perPeerBytes[origin.index] + size <= peerBytesMax
      else { return .full }
      perPeer[origin.index] += 1
      perPeerBytes[origin.index] += size
    }
    var heard = rumours.removeValue(forKey: call.digest) ?? MemberSet()
    if let origin { heard.insert(origin) }
    announcers[call.digest] = heard
    entries[call.digest] = Entry(call: call, origin: origin, order: arrived)
    arrived += 1
    bytes += size
    queue.append(call.digest)
    return .added
  }

  /// A member says that it holds the body.
  /// - Returns: false when the body is not here.
  @discardableResult
  mutating func announce(_ digest: Digest, by id: ReplicaID) -> Bool {
    if let place = announcers.index(forKey: digest) {
      announcers.values[place].insert(id)
      return true
    }
    if ordered.contains(digest) { return true }
    if rumours[digest] == nil {
      guard rumours.count < Limits.poolCallsMax, rumoursBegun[id.index] < peerRumoursMax else {
        return false
      }
      rumoursBegun[id.index] += 1
      rumourOrder.append(digest)
    }
    rumours[digest, default: MemberSet()].insert(id)
    return false
  }

  /// The call is finalized.
  mutating func order(_ digest: Digest) {
    remove(digest)
    guard ordered.insert(digest).inserted else { return }
    if orderedRing.count < ReplicaLimits.orderedRemembered {
      orderedRing.append(digest)
    } else {
      ordered.remove(orderedRing[orderedNext])
      orderedRing[orderedNext] = digest
      orderedNext = (orderedNext + 1) % ReplicaLimits.orderedRemembered
    }
  }

  @discardableResult
  mutating func remove(_ digest: Digest) -> Bool {
    rumours[digest] = nil
    guard let entry = entries.removeValue(forKey: digest) else { return false }
    announcers[digest] = nil
    let size = entry.call.signed.body.count + 512
    bytes -= size
    if let origin = entry.origin {
      perPeer[origin.index] -= 1
      perPeerBytes[origin.index] -= size
    }
    while first < queue.count, entries[queue[first]] == nil { first += 1 }
    if first > 1_024, first * 2 > queue.count {
      queue.removeFirst(first)
      passed += first
      first = 0
    }
    if entries.isEmpty {
      passed += queue.count
      queue.removeAll(keepingCapacity: true)
      first = 0
    }
    return true
  }

  /// In the order of arrival, until `take` says that it is enough.
  func forEach(_ take: (Entry) -> Bool) {
    for place in first..<queue.count {
      guard let entry = entries[queue[place]] else { continue }
      guard take(entry) else { return }
    }
  }

  /// So that nobody's calls hold up another's: own clients and peers take turns, own clients first,
  /// and with each of them the senders; a sender's calls in the order of their arrival.
  /// - Parameter arrived: in the order of arrival.
  static func byTurns(_ arrived: [Entry]) -> [Entry] {
    struct Lane: Hashable {
      let origin: ReplicaID?
      let sender: PublicKey?
    }
    var turns: [Lane: Int] = [:]
    let ranked = arrived.map { entry in
      let turn = turns[
        Lane(origin: entry.origin, sender: entry.call.signed.call.sender), default: 0]
      turns[Lane(origin: entry.origin, sender: entry.call.signed.call.sender)] = turn + 1
      return (turn: turn, entry: entry)
    }
    .sorted { ($0.turn, $0.entry.order) < ($1.turn, $1.entry.order) }
    var places: [ReplicaID?: Int] = [:]
    return ranked.map { _, entry in
      let place = places[entry.origin, default: 0]
      places[entry.origin] = place + 1
      return (place: place, entry: entry)
    }
    .sorted { one, other in
      func rank(_ entry: Entry) -> (Int, UInt64) { (entry.origin == nil ? 0 : 1, entry.order) }
      guard one.place == other.place else { return one.place < other.place }
      return rank(one.entry) < rank(other.entry)
    }
    .map(\.entry)
  }

  /// Calls that expired before this time.
  func expired(at time: Moment) -> [Digest] {
    var out: [Digest] = []
    forEach { entry in
      if entry.call.signed.call.expiry < time { out.append(entry.call.digest) }
      return true
    }
    return out
  }

  /// Others that said they hold the body.
  func announcers(of digest: Digest) -> MemberSet { announcers[digest] ?? MemberSet() }

  /// Digests that this leader was not told of, marked as told.
  mutating func untold(_ leader: ReplicaID) -> [Digest] {
    var out: [Digest] = []
    var place = max(first, toldUpTo[leader.index] - passed)
    while place < queue.count, out.count < Limits.digestsPerMessageMax {
      if entries[queue[place]] != nil { out.append(queue[place]) }
      place += 1
    }
    toldUpTo[leader.index] = passed + place
    return out
  }

  /// Announced bodies that are not here, each with one who holds it, in the order of arrival.
  mutating func unheld(atMost count: Int) -> [(digest: Digest, holder: ReplicaID)] {
    rumourOrder.removeAll { rumours[$0] == nil }
    return rumourOrder.prefix(count).compactMap { digest in
      rumours[digest]?.ids.first.map { (digest, $0) }
    }
  }

  /// Lets everything be announced anew, and drops rumours whose bodies never came.
  mutating func forgetTold() {
    rumours.removeAll()
    rumourOrder.removeAll()
    for index in rumoursBegun.indices { rumoursBegun[index] = 0 }
    for index in toldUpTo.indices { toldUpTo[index] = 0 }
  }
}
