import Certification
import Gateway
import GatewayFixture
import Signing
import Testing
import Wire

@testable import NodeShell

extension CallProgress {
  var word: String {
    switch self {
    case .unknown: "unknown"
    case .received: "received"
    case .ordered(let height): "ordered \(height)"
    case .done(let receipt): "done \(receipt.certificate.height)"
    case .refused(let refusal): "refused \(refusal.code)"
    }
  }
}

func receipt(of call: Digest, at height: Height) -> CertifiedReceipt {
  let receipt = Receipt(
    call: call, height: height, position: 0, time: 1, pipeline: "p", status: .applied,
    replayOf: nil, tally: RowTally(), notes: [], usage: Usage(), charged: 0)
  let statement = StateStatement(
    subnet: .zero, epoch: 0, height: height, block: .zero, stateRoot: .zero, receiptsRoot: .zero,
    time: 1)
  return CertifiedReceipt(
    proof: ReceiptProof(receipt: receipt, count: 1, path: []),
    certificate: StateCertificate(
      statement: statement, signers: Signers([], of: 4), signatures: []))
}

@Suite struct `Calls that clients follow` {
  let call = sha256([1])
  let other = sha256([2])
  var never: UInt64 { .max }

  @Test func `are received, ordered and done, and their waiters hear of it`() async throws {
    let tracker = CallTracker()
    guard case .new = tracker.follow(call) else { return #expect(Bool(false), "not new") }
    async let first = tracker.wait(for: call, until: never)
    async let second = tracker.wait(for: call, until: never)
    try await eventually("2 waiting") { tracker.waiting >= 2 }
    tracker.admitted(call)
    tracker.ordered([other, call], at: 5)
    #expect(tracker.progress(of: call)?.word == "ordered 5")
    #expect(tracker.certified(4) == [])
    #expect(tracker.certified(5) == [call])
    #expect(tracker.certified(5) == [])
    tracker.settle(call, .done(receipt(of: call, at: 5)))
    #expect(await first.word == "done 5")
    #expect(await second.word == "done 5")
    #expect(tracker.waiting == 0)
    guard case .known(.done) = tracker.follow(call) else {
      return #expect(Bool(false), "a done call was followed anew")
    }
  }

  @Test func `keep nobody longer than their patience`() async throws {
    let tracker = CallTracker()
    _ = tracker.follow(call)
    async let progress = tracker.wait(for: call, until: 100)
    try await eventually("1 waiting") { tracker.waiting >= 1 }
    tracker.sweep(now: 99)
    #expect(tracker.waiting == 1)
    tracker.sweep(now: 100)
    #expect(await progress.word == "received")
  }

  @Test func `release who only awaits admission`() async throws {
    let tracker = CallTracker()
    _ = tracker.follow(call)
    async let quick = tracker.wait(for: call, until: never, untilAdmitted: true)
    async let patient = tracker.wait(for: call, until: never)
    try await eventually("2 waiting") { tracker.waiting >= 2 }
    tracker.admitted(call)
    #expect(await quick.word == "received")
    #expect(tracker.waiting == 1)
    tracker.settle(call, .refused(Refusal("X", "y")))
    #expect(await patient.word == "refused X")
  }

  @Test func `may be tried again after this replica refused them`() {
    let tracker = CallTracker()
    _ = tracker.follow(call)
    tracker.settle(call, .refused(Refusal("X", "y")))
    guard case .new = tracker.follow(call) else {
      return #expect(Bool(false), "a refused call cannot be tried again")
    }
    guard case .known(.received) = tracker.follow(call) else {
      return #expect(Bool(false), "one call is followed twice")
    }
  }

  @Test func `stay done whatever comes later`() {
    let tracker = CallTracker()
    _ = tracker.follow(call)
    tracker.settle(call, .done(receipt(of: call, at: 2)))
    tracker.settle(call, .refused(Refusal("EXPIRED", "y")))
    tracker.ordered([call], at: 9)
    #expect(tracker.progress(of: call)?.word == "done 2")
  }

  @Test func `of others are watched only while somebody waits`() async throws {
    let tracker = CallTracker()
    async let first = tracker.wait(for: call, until: 100)
    try await eventually("1 waiting") { tracker.waiting >= 1 }
    tracker.sweep(now: 100)
    #expect(await first.word == "unknown")
    #expect(tracker.count == 0)

    async let second = tracker.wait(for: call, until: never)
    try await eventually("1 waiting") { tracker.waiting >= 1 }
    tracker.ordered([call], at: 3)
    #expect(tracker.certified(3) == [call])
    tracker.settle(call, .done(receipt(of: call, at: 3)))
    #expect(await second.word == "done 3")
  }

  @Test func `are bounded, and settled ones make room`() {
    let tracker = CallTracker()
    let calls = (0...NodeLimits.trackedCallsMax).map { number in
      sha256([UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16)])
    }
    for call in calls.dropLast() { _ = tracker.follow(call) }
    guard case .full = tracker.follow(calls[NodeLimits.trackedCallsMax]) else {
      return #expect(Bool(false), "no bound")
    }
    tracker.settle(calls[7], .refused(Refusal("X", "y")))
    guard case .new = tracker.follow(calls[NodeLimits.trackedCallsMax]) else {
      return #expect(Bool(false), "a settled call makes no room")
    }
    #expect(tracker.progress(of: calls[7]) == nil)
    #expect(tracker.progress(of: calls[0])?.word == "received")
    #expect(tracker.count == NodeLimits.trackedCallsMax)
  }

  @Test func `are bounded after others were watched in vain too`() async throws {
    let tracker = CallTracker()
    func call(_ number: Int) -> Digest { sha256(Array("\(number)".utf8)) }
    let watched = 1_000
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<watched {
        group.addTask { _ = await tracker.wait(for: call(-1 - number), until: 100) }
      }
      try? await eventually("all wait") { tracker.waiting >= watched }
      tracker.sweep(now: 100)
    }
    #expect(tracker.count == 0)
    for number in 0..<NodeLimits.trackedCallsMax + watched {
      _ = tracker.follow(call(number))
      tracker.settle(call(number), .refused(Refusal("X", "y")))
    }
    #expect(tracker.count <= NodeLimits.trackedCallsMax)
  }

  @Test func `of others leave nothing behind where nobody more may wait`() async {
    let tracker = CallTracker()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<NodeLimits.waitersMax {
        let call = sha256(Array("\(number)".utf8))
        group.addTask { _ = await tracker.wait(for: call, until: 100) }
      }
      try? await eventually("all wait") { tracker.waiting >= NodeLimits.waitersMax }
      if tracker.waiting == NodeLimits.waitersMax {
        #expect(await tracker.wait(for: other, until: never).word == "unknown")
        #expect(tracker.progress(of: other) == nil)
      } else {
        Issue.record("\(tracker.waiting) wait")
      }
      tracker.sweep(now: 100)
    }
    #expect(tracker.count == 0)
    tracker.close()
    #expect(await tracker.wait(for: other, until: never).word == "unknown")
    #expect(tracker.count == 0)
  }

  @Test func `keep nobody when the replica stops`() async throws {
    let tracker = CallTracker()
    _ = tracker.follow(call)
    async let progress = tracker.wait(for: call, until: never)
    try await eventually("1 waiting") { tracker.waiting >= 1 }
    tracker.close()
    #expect(await progress.word == "received")
    #expect(await tracker.wait(for: call, until: never).word == "received")
  }
}

@Suite struct `Clients that wait for a height` {
  @Test func `are resumed by it or a higher one`() async throws {
    let heights = HeightWaiters()
    async let waited: Void = heights.wait(for: 5, until: .max)
    try await eventually("1 waiting") { heights.count >= 1 }
    heights.reached(4)
    #expect(heights.count == 1)
    heights.reached(6)
    await waited
    await heights.wait(for: 6, until: .max)
    #expect(heights.count == 0)
  }

  @Test func `are resumed by the end of their patience or of the replica`() async throws {
    let heights = HeightWaiters()
    // Far enough that a busy machine does not get there before the sweep below.
    let far = Clocks.monotonic + 36_000_000_000_000
    async let first: Void = heights.wait(for: 5, until: far)
    try await eventually("1 waiting") { heights.count >= 1 }
    heights.sweep(now: far)
    await first
    async let second: Void = heights.wait(for: 5, until: .max)
    try await eventually("1 waiting") { heights.count >= 1 }
    heights.close()
    await second
  }
}

@Suite struct `Followers of events` {
  @Test func `hear what happens from then on, until the replica stops`() async {
    let streams = EventStreams()
    streams.send(.quarantined(1))
    let stream = streams.follow()
    streams.send(.quarantined(2))
    streams.close()
    var heard: [GatewayEvent] = []
    for await event in stream { heard.append(event) }
    #expect(heard == [.quarantined(2)])
  }

  @Test func `are bounded`() async {
    let streams = EventStreams()
    let streamsHeld = (0..<NodeLimits.eventStreamsMax).map { _ in streams.follow() }
    var iterator = streams.follow().makeAsyncIterator()
    #expect(await iterator.next() == nil)
    #expect(streamsHeld.count == NodeLimits.eventStreamsMax)
  }
}
