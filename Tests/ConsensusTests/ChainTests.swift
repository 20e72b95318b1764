import Testing
import Wire

@testable import Consensus

/// A chain whose tip is the block of view 1, and blocks of the views above it, a height each.
private struct Stretch {
  var chain: Chain
  private let headers: [Header]

  /// - Parameter reversed: the newest block came first.
  init(_ count: UInt64, bodyBytes: Int = 0, reversed: Bool = false) {
    var headers: [Header] = []
    for view in 1...count { headers.append(Bench().header(View(view), on: headers.last)) }
    self.headers = headers
    chain = Chain(from: Chain.Tip(view: 1, digest: headers[0].digest, header: headers[0]))
    let call = Call(
      subnet: .zero, pipeline: "p", method: .deploy, bodyDigest: .zero, bodyBytes: 0,
      idempotencyKey: "k", sender: nil, expiry: 9_000, stepLimit: 1)
    let body = SignedCall(
      call: call, body: [UInt8](repeating: 0, count: bodyBytes), signature: nil)
    let others = Array(headers.dropFirst())
    for header in reversed ? others.reversed() : others {
      chain.insert(header, header.digest)
      chain.update(header.digest) { $0.block = Block(header: header, calls: [body]) }
    }
  }

  func header(_ view: Int) -> Header { headers[view - 1] }

  mutating func raiseFloor(to view: Int) {
    chain.raiseFloor(to: header(view).view, header(view).digest)
  }

  /// Views of the blocks above the tip, ascending.
  var views: [Int] {
    chain.open.compactMap { chain[$0].map { Int($0.header.view.number) } }.sorted()
  }
}

@Suite struct `A chain that is thinned above a gap` {
  /// Of 5...39, which the floor has passed, the 16 newest.
  private let kept = Array(2...4) + Array(24...50)

  @Test(arguments: [false, true])
  func `keeps what is near the tip, what the floor has not passed, and the newest between`(
    reversed: Bool
  ) {
    var stretch = Stretch(50, reversed: reversed)
    stretch.raiseFloor(to: 40)
    stretch.chain.thin()
    #expect(stretch.views == kept)
    #expect(stretch.chain.count == kept.count)
    #expect(stretch.chain.open.first == stretch.header(reversed ? 50 : 2).digest)
    stretch.chain.thin()
    #expect(stretch.views == kept)
  }

  @Test func `keeps everything while there is no gap`() {
    var stretch = Stretch(50)
    stretch.chain.thin()
    #expect(stretch.views == Array(2...50))
  }

  /// 49 blocks: of a 32nd of the room each 31 find it, as header and call weigh something too.
  @Test(arguments: [
    (bytes: 0, first: 5), (bytes: VotingLimits.aboveGapBytesMax / 32, first: 23),
    (bytes: VotingLimits.aboveGapBytesMax / 8, first: 24),
  ])
  func `keeps all that there is room for where ranges fail`(bytes: Int, first: Int) {
    var stretch = Stretch(50, bodyBytes: bytes)
    stretch.raiseFloor(to: 40)
    stretch.chain.rangesFail = true
    stretch.chain.thin()
    #expect(stretch.views == Array(2...4) + Array(first...50))
    stretch.chain.rangesFail = false
    stretch.chain.thin()
    #expect(stretch.views == kept)
  }
}

extension Chain {
  /// By views: `whole 2 3`, `missing 23 below 24`, `none`.
  fileprivate func walk(_ name: (Digest) -> Int) -> String {
    switch pathToFloor() {
    case .none: "none"
    case .whole(let path): "whole " + path.map { "\(name($0))" }.joined(separator: " ")
    case .missing(let digest, let below):
      "missing \(name(digest))" + (below.map { " below \($0.number)" } ?? "")
    }
  }
}

@Suite struct `The way down from the floor` {
  private func name(_ stretch: Stretch, _ digest: Digest) -> Int {
    (1...60).first { stretch.header($0).digest == digest } ?? 0
  }

  /// The floor, the views whose blocks are taken away, and what is found.
  @Test(arguments: [
    (1, [], "none"), (4, [], "whole 2 3 4"), (4, [4], "missing 4"), (4, [2], "missing 2 below 3"),
    (4, [2, 3], "missing 3 below 4"), (4, [5], "whole 2 3 4"),
  ])
  func `leads to the tip, or to the highest block that is missing`(
    floor: Int, taken: [Int], found: String
  ) {
    var stretch = Stretch(60)
    if floor > 1 { stretch.raiseFloor(to: floor) }
    for view in taken { stretch.chain.update(stretch.header(view).digest) { $0.block = nil } }
    #expect(stretch.chain.walk { name(stretch, $0) } == found)
  }

  @Test func `leads to what thinning took away`() {
    var stretch = Stretch(60)
    stretch.raiseFloor(to: 40)
    stretch.chain.thin()
    #expect(stretch.chain.walk { name(stretch, $0) } == "missing 23 below 24")
  }

  @Test func `leads nowhere where the tip has passed it by`() {
    var stretch = Stretch(60)
    let tip = stretch.header(1)
    let beside = Bench().header(61, on: tip)
    stretch.chain.insert(beside, beside.digest)
    stretch.chain.update(beside.digest) { $0.block = Block(header: beside, calls: []) }
    stretch.chain.deliver(stretch.header(2).digest)
    stretch.chain.raiseFloor(to: 61, beside.digest)
    #expect(stretch.chain.walk { name(stretch, $0) } == "none")
  }
}
