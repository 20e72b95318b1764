import Wire

/// The blocks from a little below the last finalized one upwards.
///
/// - Safety: a block is *ready* when header and bodies are durable, it is statically valid, and its
///   ancestors are ready down to the last finalized one.
/// - Bound: blocks of views above the floor, of which each view has a proposal and a notarized one,
///   `VotingLimits.blocksRetained` below the tip, and as many between a gap and the floor; where
///   ranges fail `VotingLimits.aboveGapMax` blocks and `aboveGapBytesMax` bytes there.
package struct Chain: Sendable {
  package enum Stage: Int, Comparable, Sendable {
    case header, complete, journalling, durable
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// - Bound: small: it is looked up often, so header and block lie in boxes that copies share.
  package struct Link: Sendable {
    package let digest: Digest
    private let named: Named
    private var whole: Whole?
    var stage = Stage.header
    /// Whether it was compared with its parent.
    var judged = false
    var fault: String?
    package internal(set) var ready = false

    init(
      digest: Digest, header: Header, block: Block? = nil, stage: Stage = .header,
      judged: Bool = false, ready: Bool = false
    ) {
      self.digest = digest
      named = Named(header)
      whole = block.map { Whole($0) }
      self.stage = stage
      self.judged = judged
      self.ready = ready
    }

    package var header: Header { named.header }

    package internal(set) var block: Block? {
      get { whole?.block }
      set { whole = newValue.map { Whole($0) } }
    }

    var holdsBlock: Bool { whole != nil }

    private final class Named: Sendable {
      let header: Header
      init(_ header: Header) { self.header = header }
    }

    private final class Whole: Sendable {
      let block: Block
      init(_ block: Block) { self.block = block }
    }
  }

  /// A finalized block.
  package struct Tip: Hashable, Sendable {
    package let view: View
    package let digest: Digest
    package let header: Header
  }

  private var links: [Digest: Link] = [:]
  /// Digests of links above the delivered tip, in order of arrival.
  private(set) var open: [Digest] = []
  /// Digests of delivered links still held, ascending by height.
  private var retained: [Digest] = []
  /// The last block of the finalized chain without a gap.
  package private(set) var delivered: Tip
  /// The view and block of the highest finalization; its block may not be held yet.
  package private(set) var floorView: View
  package private(set) var floorDigest: Digest
  /// No member answered a range: what is held above the gap is all there is to fetch it by.
  package var rangesFail = false

  package init(from tip: Tip) {
    delivered = tip
    floorView = tip.view
    floorDigest = tip.digest
  }

  /// Blocks and headers in memory.
  package var count: Int { links.count }

  package subscript(_ digest: Digest) -> Link? { links[digest] }

  /// The header of a held block or of the tip.
  package func header(of digest: Digest) -> Header? {
    digest == delivered.digest ? delivered.header : links[digest]?.header
  }

  package func block(_ digest: Digest) -> Block? { links[digest]?.block }

  package func holdsBlock(_ digest: Digest) -> Bool { links[digest]?.holdsBlock ?? false }

  /// The first result of `find` among the blocks in memory, delivered ones first, from the last.
  package func firstHeld<Found>(_ find: (Block) -> Found?) -> Found? {
    for digest in retained.reversed() {
      if let block = links[digest]?.block, let found = find(block) { return found }
    }
    for digest in open {
      if let block = links[digest]?.block, let found = find(block) { return found }
    }
    return nil
  }

  /// A delivered block in memory.
  package func block(at height: Height) -> Block? {
    guard let first = retained.first.flatMap({ links[$0]?.header.height }), height >= first,
      height.above(first) < UInt64(retained.count)
    else { return nil }
    return links[retained[Int(height.above(first))]]?.block
  }

  /// Holds the tip's own block, after a restart.
  mutating func retain(_ digest: Digest, _ block: Block?) {
    precondition(digest == delivered.digest && retained.isEmpty, "not the tip")
    guard let block else { return }
    links[digest] = Link(
      digest: digest, header: block.header, block: block, stage: .durable, judged: true, ready: true
    )
    retained = [digest]
  }

  mutating func insert(_ header: Header, _ digest: Digest) {
    guard links[digest] == nil, header.height > delivered.header.height else { return }
    links[digest] = Link(digest: digest, header: header)
    open.append(digest)
  }

  mutating func update(_ digest: Digest, _ change: (inout Link) -> Void) {
    guard let place = links.index(forKey: digest) else { return }
    change(&links.values[place])
  }

  mutating func raiseFloor(to view: View, _ digest: Digest) {
    precondition(view > floorView, "the floor falls from \(floorView) to \(view)")
    floorView = view
    floorDigest = digest
  }

  /// Far behind, ranges bring all that is finalized: of what lies between a gap and the floor the
  /// newest is kept.
  mutating func thin() {
    guard floorView > delivered.view, open.count > Int(VotingLimits.blocksRetained) else { return }
    let near = delivered.header.height.advanced(by: VotingLimits.singleFetchHeightsMax)
    let passed = open.compactMap { links[$0] }
      .filter { $0.header.view < floorView && $0.header.height > near }
      .sorted { ($0.header.view, $0.digest) < ($1.header.view, $1.digest) }
    // Where ranges fail all is kept for which there is room.
    var (count, bytes) = (open.count, rangesFail ? open.reduce(0) { $0 + weight($1) } : 0)
    for link in passed.dropLast(Int(VotingLimits.blocksRetained)) {
      if rangesFail, count <= VotingLimits.aboveGapMax, bytes <= VotingLimits.aboveGapBytesMax {
        break
      }
      count -= 1
      bytes -= weight(link.digest)
      links[link.digest] = nil
    }
    open.removeAll { links[$0] == nil }
  }

  private func weight(_ digest: Digest) -> Int { links[digest]?.block?.weight ?? 0 }

  /// Whether a child of this block has all its ancestors ready.
  func grounded(_ parent: Digest) -> Bool {
    parent == floorDigest || parent == delivered.digest || links[parent]?.ready == true
  }

  /// The blocks above the tip that the floor's block makes final, ascending; or the first that is
  /// missing on the way down, and the height above it.
  enum Path { case whole([Digest]), missing(Digest, below: Height?), none }

  func pathToFloor() -> Path {
    guard floorDigest != delivered.digest else { return .none }
    var path: [Digest] = []
    var cursor = floorDigest
    var below: Height?
    while cursor != delivered.digest {
      guard let link = links[cursor], link.holdsBlock else {
        return .missing(cursor, below: below)
      }
      guard link.header.height > delivered.header.height else { return .none }
      path.append(cursor)
      below = link.header.height
      cursor = link.header.parent
    }
    return .whole(path.reversed())
  }

  /// Makes the block the new tip.
  mutating func deliver(_ digest: Digest) {
    guard let link = links[digest] else { preconditionFailure("delivers \(digest) without it") }
    precondition(link.header.parent == delivered.digest, "\(digest) does not follow the tip")
    delivered = Tip(view: link.header.view, digest: digest, header: link.header)
    links[digest]?.ready = true
    retained.append(digest)
    open.removeAll { $0 == digest }
    if retained.count > Int(VotingLimits.blocksRetained) {
      links[retained.removeFirst()] = nil
    }
  }

  /// Forgets forks that the tip has passed by.
  mutating func forgetForks() {
    let height = delivered.header.height
    let (view, floor) = (delivered.view, floorDigest)
    guard open.contains(where: { fork($0, height, view, floor) }) else { return }
    for digest in open where fork(digest, height, view, floor) { links[digest] = nil }
    open.removeAll { links[$0] == nil }
  }

  private func fork(_ digest: Digest, _ height: Height, _ view: View, _ floor: Digest) -> Bool {
    guard let link = links[digest], digest != floor else { return false }
    return link.header.height <= height || link.header.view <= view
  }
}
