import Certification
import Execution
import Signing
import Storage
import Testing
import Wire

@testable import Simulator

@Suite struct `A barrier` {
  private func key(_ byte: UInt8) -> KeyPair {
    guard let pair = KeyPair(seed: Array(repeating: byte, count: 32)) else {
      preconditionFailure("32 bytes make a key")
    }
    return pair
  }

  private var genesis: Genesis {
    Genesis(
      name: "test", protocolVersion: 1, time: 1_767_225_600_000,
      members: (10..<14).map { key($0).publicKey }, administrators: [key(1).publicKey],
      accounts: [.init(owner: key(1).publicKey, balance: 1_000_000_000_000)])
  }

  /// A transfer in a block of its own.
  private func block(after height: Height) -> Block {
    let time = genesis.time.advanced(by: height.number * 1_000)
    let call = Call(
      subnet: genesis.subnet, pipeline: "", method: .transfer(to: key(2).publicKey, 7),
      bodyDigest: sha256([]), bodyBytes: 0, idempotencyKey: "k\(height)",
      sender: key(1).publicKey, expiry: time.advanced(by: 60_000), stepLimit: 5_000_000)
    let header = Header(
      subnet: genesis.subnet, epoch: 0, view: View(height.number + 1),
      parentView: View(height.number), parent: .zero, height: height.next, time: time,
      calls: [call.digest], certified: nil)
    let signature = Signer.ed25519(key(1)).sign(call)
    return Block(
      header: header, calls: [SignedCall(call: call, body: [], signature: signature)])
  }

  /// A block without calls, which writes nothing itself.
  private func empty(after height: Height, at time: Moment) -> Block {
    let header = Header(
      subnet: genesis.subnet, epoch: 0, view: View(height.number + 1),
      parentView: View(height.number), parent: .zero, height: height.next, time: time,
      calls: [], certified: nil)
    return Block(header: header, calls: [])
  }

  @Test func `that finds no room on the disk leaves what it executed readable`() throws {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let machine = disk.machine("r0")
    let executor = try Executor(directory: "r0", vfs: disk.name, genesis: genesis)
    let first = block(after: 0)
    _ = try executor.execute(first, digest: first.header.digest)
    func execute(at time: Moment) throws {
      let next = empty(after: executor.height, at: time)
      _ = try executor.execute(next, digest: next.header.digest)
    }
    let time = genesis.time.advanced(by: 1_000)
    while executor.height < 99 { try execute(at: time) }
    machine.bytesMax = machine.bytes
    let full = #expect(throws: ExecutionFault.self) { try execute(at: time) }
    #expect(full?.kind == .full)
    #expect(executor.height == 100)
    let outcome = try #require(try executor.outcome(at: 100))
    let statement = StateStatement(
      subnet: genesis.subnet, epoch: 0, height: 100, block: .zero,
      stateRoot: outcome.stateRoot, receiptsRoot: outcome.receiptsRoot, time: time)
    executor.reader.certify(
      StateCertificate(statement: statement, signers: Signers([], of: 4), signatures: []))
    #expect(executor.reader.heights == 100...100)
    // And one that is due before its block.
    let later = time.advanced(by: 301_000)
    #expect(throws: ExecutionFault.self) { try execute(at: later) }
    #expect(executor.height == 100)
    #expect(executor.reader.heights == 100...100)
    machine.bytesMax = nil
    try execute(at: later)
    #expect(executor.height == 101)
    #expect(executor.reader.heights == 100...100)
  }

  /// A reader that came when the log was empty keeps a checkpoint from moving and syncing anything
  /// (https://sqlite.org/wal.html#checkpointing).
  @Test func `makes durable what a reader keeps in the log`() throws {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let machine = disk.machine("r0")
    let executor = try Executor(directory: "r0", vfs: disk.name, genesis: genesis)
    func execute() throws {
      let next = block(after: executor.height)
      _ = try executor.execute(next, digest: next.header.digest)
    }
    try execute()
    #expect(try executor.checkpoint() == 1)
    let reader = try Connection(path: "r0/system.sqlite", access: .readOnly, vfs: disk.name)
    try reader.execute("BEGIN")
    _ = try reader.integer("SELECT count(*) FROM sqlite_schema")
    for _ in 0..<2 { try execute() }
    #expect(try executor.checkpoint() == nil)
    machine.crash(.unsynced)
    machine.powerOn()
    let again = try Executor(directory: "r0", vfs: disk.name, genesis: genesis)
    #expect(again.height == 3)
    withExtendedLifetime(reader) {}
  }
}
