import Signing
import Testing
import Wire

@testable import Consensus

/// A block on its parent, and one thing in it that no correct leader proposes.
private struct Chained {
  let bench = Bench()
  let parent: Header
  var header: Header
  var calls: [VerifiedCall]

  init() throws {
    let subnet = bench.committee.subnet
    parent = bench.header(3, time: 2_000)
    header = bench.header(4, on: parent, time: 2_001)
    calls = try (1...3).map { try Self.call("\($0)", steps: 5, on: subnet) }
      .sorted { $0.digest < $1.digest }
    header = with()
  }

  static func call(_ key: String, steps: UInt64, on subnet: SubnetID) throws -> VerifiedCall {
    let call = Call(
      subnet: subnet, pipeline: "p", method: .deploy, bodyDigest: sha256([]), bodyBytes: 0,
      idempotencyKey: key, sender: nil, expiry: 9_000, stepLimit: steps)
    return try Verifier.mock.verify(
      SignedCall(call: call, body: [], signature: nil), subnet: subnet)
  }

  /// The header with other parts.
  func with(
    subnet: SubnetID? = nil, epoch: Epoch? = nil, view: View? = nil, parentView: View? = nil,
    parent digest: Digest? = nil, height: Height? = nil, time: Moment? = nil,
    calls names: [Digest]? = nil, certified: StateCertificate? = nil
  ) -> Header {
    Header(
      subnet: subnet ?? header.subnet, epoch: epoch ?? header.epoch, view: view ?? header.view,
      parentView: parentView ?? header.parentView, parent: digest ?? header.parent,
      height: height ?? header.height, time: time ?? header.time,
      calls: names ?? calls.map(\.digest), certified: certified)
  }

  func state(_ height: Height, signers count: Int) -> StateCertificate {
    let statement = StateStatement(
      subnet: bench.committee.subnet, epoch: 0, height: height, block: .zero, stateRoot: .zero,
      receiptsRoot: .zero, time: 1)
    let ids = (0..<count).map { ReplicaID(UInt16($0)) }
    return StateCertificate(
      statement: statement, signers: Signers(ids, of: bench.committee.size),
      signatures: ids.map { Signer.mock(bench.committee.members[$0.index].key).sign(statement) })
  }

  var fault: String? {
    staticFault(
      header, bodies: calls, parent: parent, parentDigest: parent.digest,
      committee: bench.committee, verifier: .mock)
  }
}

@Suite struct `The static validity of a block` {
  private static let flaws: [(words: String, spoil: @Sendable (inout Chained) throws -> Void)] = [
    ("not in strictly ascending order", { $0.header = $0.with(calls: $0.header.calls.reversed()) }),
    (
      "not in strictly ascending order",
      { $0.header = $0.with(calls: [$0.header.calls[0]] + $0.header.calls) }
    ),
    ("bodies are not those", { $0.calls.removeLast() }),
    ("bodies are not those", { $0.calls.swapAt(0, 1) }),
    (
      "of another subnet",
      { block in
        block.calls = [try Chained.call("x", steps: 1, on: sha256([7]))]
        block.header = block.with()
      }
    ),
    (
      "steps together",
      { block in
        block.calls = [
          try Chained.call("x", steps: Limits.stepsPerBlockMax + 1, on: block.header.subnet)
        ]
        block.header = block.with()
      }
    ),
    (
      "it is of another subnet",
      { block in
        block.calls = []
        block.header = block.with(subnet: sha256([7]))
      }
    ),
    ("it is of epoch 1", { $0.header = $0.with(epoch: 1) }),
    ("its parent is another block", { $0.header = $0.with(parent: sha256([7])) }),
    ("its parent is of view 3", { $0.header = $0.with(parentView: 2) }),
    ("its view is not above", { $0.header = $0.with(view: 3) }),
    ("does not follow", { $0.header = $0.with(height: 3) }),
    ("its time is not above", { $0.header = $0.with(time: 2_000) }),
    ("not below it", { $0.header = $0.with(certified: $0.state(2, signers: 3)) }),
    ("does not verify", { $0.header = $0.with(certified: $0.state(1, signers: 2)) }),
  ]

  @Test(arguments: flaws.indices)
  func `ends with one thing wrong in it`(index: Int) throws {
    var block = try Chained()
    #expect(block.fault == nil)
    try Self.flaws[index].spoil(&block)
    let fault = try #require(block.fault)
    #expect(fault.contains(Self.flaws[index].words), "\(fault)")
  }

  @Test func `holds with a certificate of a quorum, and bounds calls above it`() throws {
    var block = try Chained()
    block.header = block.with(certified: block.state(1, signers: 3))
    #expect(block.fault == nil)
    let high = Height(Limits.uncertifiedHeightsMax + 2)
    let below = Height(high.number - 1)
    let parent = Header(
      subnet: block.header.subnet, epoch: 0, view: 3, parentView: 0, parent: .zero, height: below,
      time: 2_000, calls: [], certified: nil)
    func fault(_ certified: Height, calls: [VerifiedCall]) -> String? {
      let header = Header(
        subnet: parent.subnet, epoch: 0, view: 4, parentView: 3, parent: parent.digest,
        height: high, time: 2_001, calls: calls.map(\.digest),
        certified: block.state(certified, signers: 3))
      return staticFault(
        header, bodies: calls, parent: parent, parentDigest: parent.digest,
        committee: block.bench.committee, verifier: .mock)
    }
    #expect(fault(2, calls: block.calls) == nil)
    #expect(fault(1, calls: []) == nil)
    #expect(fault(1, calls: block.calls)?.contains("heights above the last certified") == true)
  }
}
