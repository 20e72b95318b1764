import Replication
import Signing
import Synchronization
import Testing
import Transport
import Wire

@testable import NodeShell

/// A core that does as the test says and tells what it was stepped through.
struct ScriptedCore: SteppedCore {
  var script: (Input) -> [Effect]
  var first: [Effect] = []

  mutating func start(at now: Moment, effects: inout [Effect]) { effects += first }
  mutating func step(_ input: Input, at now: Moment, effects: inout [Effect]) {
    effects += script(input)
  }
  var standing: Int { 3 }
}

/// Writes down what is performed.
final class ScriptedHands: Hands {
  let log = Mutex<[String]>([])
  let failsAtAppend: Int
  let looked = Atomic<Int>(0)
  private let appends = Atomic<Int>(0)

  init(failsAtAppend: Int = .max) { self.failsAtAppend = failsAtAppend }

  private func write(_ line: String) { log.withLock { $0.append(line) } }
  var lines: [String] { log.withLock { $0 } }

  func append(_ records: [Record]) throws(NodeFault) {
    let count = appends.wrappingAdd(1, ordering: .relaxed).newValue
    guard count != failsAtAppend else { throw NodeFault("no room") }
    write("append \(records.count)")
  }
  func send(_ frames: [(frame: Frame, to: Destination)]) {
    for (frame, to) in frames { write("send \(frame.kind) \(to)") }
  }
  func execute(_ height: Height, _ block: Block?) { write("execute \(height)") }
  func serve(_ request: JournalRequest, to peer: ReplicaID) { write("serve \(peer)") }
  func notice(_ notice: Notice) { write("notice") }
  func overlong(_ message: Message) { write("overlong \(message.kind)") }
  func turned() { write("turn") }
  func look(_ standing: Int) { looked.store(standing, ordering: .relaxed) }
}

@Suite struct `The core's loop` {
  static let abstain = Record.abstain(through: 1, statesThrough: 1)
  static let announcement = Message.announce([])

  /// Runs the loop over these inputs, all of them there from the start.
  func run(
    _ inputs: [Input], _ hands: ScriptedHands, first: [Effect] = [],
    script: @escaping (Input) -> [Effect]
  ) throws {
    let inbox = Mailbox<Input>()
    inbox.post(inputs)
    inbox.close()
    var loop = CoreLoop(
      ScriptedCore(script: script, first: first), inbox: inbox, hands: hands,
      counters: NodeCounters())
    try loop.run()
  }

  @Test func `makes one append of a turn and speaks after it`() throws {
    let hands = ScriptedHands()
    try run([.connected(1), .connected(2)], hands) { input in
      switch input {
      case .connected(let peer):
        [.journal(Ticket(peer.number), [Self.abstain]), .send(Self.announcement, to: .all)]
      case .journaled(let ticket):
        [.send(.callsWanted([]), to: .one(ReplicaID(UInt16(ticket))))]
      default: []
      }
    }
    #expect(
      hands.lines == [
        "turn", "send announcement all", "send announcement all", "append 2",
        "send request one(r2)", "turn",
      ])
    #expect(hands.looked.load(ordering: .relaxed) == 3)
  }

  @Test func `says nothing that counts on an append that failed`() throws {
    let hands = ScriptedHands(failsAtAppend: 2)
    #expect(throws: NodeFault.self) {
      try run([.connected(1)], hands, first: [.journal(1, [Self.abstain])]) { input in
        switch input {
        case .connected: [.journal(2, [Self.abstain])]
        case .journaled(let ticket): [.send(Self.announcement, to: .one(ReplicaID(UInt16(ticket))))]
        default: []
        }
      }
    }
    #expect(hands.lines == ["append 1", "send announcement one(r1)", "turn"])
  }

  @Test func `performs what one append leads to, and that one's append`() throws {
    let hands = ScriptedHands()
    try run([.connected(1)], hands) { input in
      switch input {
      case .connected: [.journal(1, [Self.abstain])]
      case .journaled(1): [.execute(4, nil), .journal(2, [Self.abstain])]
      case .journaled: [.serve(.block(.zero), to: 9)]
      default: []
      }
    }
    #expect(hands.lines == ["turn", "append 1", "execute 4", "append 1", "serve r9", "turn"])
  }

  @Test func `rings alarms, and not those that were disarmed`() throws {
    let inbox = Mailbox<Input>()
    let hands = ScriptedHands()
    let core = ScriptedCore(
      script: { input in
        switch input {
        case .connected: [.disarm(.leader(1))]
        case .alarmRang(.repair): [.execute(1, nil)]
        case .alarmRang: [.execute(2, nil)]
        case .disconnected: [.execute(3, nil)]
        default: []
        }
      },
      first: [.arm(.leader(1), after: .milliseconds(20)), .arm(.repair, after: .milliseconds(40))])
    inbox.post(.connected(1))
    let loop = Handover(
      value: CoreLoop(core, inbox: inbox, hands: hands, counters: NodeCounters()))
    let worker = Worker("core") {
      var loop = loop.value
      try? loop.run()
    }
    let deadline = Clocks.monotonic + 20_000_000_000
    while !hands.lines.contains("execute 1"), Clocks.monotonic < deadline {
      pause(.milliseconds(5))
    }
    inbox.close()
    worker.join()
    #expect(hands.lines.filter { $0.hasPrefix("execute") } == ["execute 1"])
  }

  @Test func `takes at most so many inputs in a turn`() throws {
    let hands = ScriptedHands()
    let inputs = [Input](repeating: .connected(1), count: NodeLimits.turnInputsMax + 1)
    try run(inputs, hands) { input in
      if case .connected = input { [.journal(1, [Self.abstain])] } else { [] }
    }
    #expect(
      hands.lines
        == ["turn", "append \(NodeLimits.turnInputsMax)", "turn", "append 1", "turn"])
  }
}
