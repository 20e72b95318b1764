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
