import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

@Suite struct `Snapshots that a replica keeps for a while` {
  @Test func `are one an owner, and none goes for another owner's`() throws {
    let subnet = try Subnet()
    let reader = subnet.executor.reader
    let owners = (20..<25).map { Subnet.pair(UInt8($0)) }
    let names = owners.indices.map { "shop_\($0)" }
    for (owner, name) in zip(owners, names) {
      let gift = subnet.call("", .transfer(to: owner.publicKey, 10_000_000_000_000))
      #expect(try subnet.run(gift).refusalText == nil)
      let package = Package(name: name, version: "1", budget: .ample, sources: [.orders()])
      #expect(try subnet.run(subnet.deploy(package, by: owner)).refusalText == nil)
    }
    func now(_ name: String) throws -> HeldPipeline {
      let view = try #require(reader.newest)
      return HeldPipeline(
        view: try #require(view.pipeline(name)), roots: try #require(view.roots(of: name)))
    }
    let held = try names.map(now)
    for one in held.prefix(ExecutionLimits.snapshotsHeld) { try reader.hold(one) }
    let last = try #require(held.last)
    let full = #expect(throws: Refusal.self) { try reader.hold(last) }
    #expect(full?.code == "SNAPSHOTS_FULL")
    // Every pipeline changes, and no height shows any more what was.
    for name in names { try subnet.fund(name, 2_500_000_000) }
    for _ in 0..<ExecutionLimits.heightsReadable { try subnet.execute([]) }
    func isKept(_ one: HeldPipeline) throws -> Bool {
      try reader.held(one.roots, of: one.view.name) != nil
    }
    #expect(try held.map(isKept) == [true, true, true, true, false])
    try reader.hold(try now(names[0]))
    #expect(try held.map(isKept) == [false, true, true, true, false])
    reader.letGo(held[1])
    try reader.hold(last)
    #expect(try held.map(isKept) == [false, false, true, true, true])
  }
}
