import Certification
import Pipelines
import Testing
import Wire

@testable import Execution

@Suite struct `Snapshots that a replica keeps for a while` {
  private let subnet: Subnet
  private let names = (0..<5).map { "shop_\($0)" }

  init() throws {
    subnet = try Subnet()
    for (index, name) in names.enumerated() {
      let owner = Subnet.pair(UInt8(20 + index))
      let gift = subnet.call("", .transfer(to: owner.publicKey, 10_000_000_000_000))
      #expect(try subnet.run(gift).refusalText == nil)
      let package = Package(name: name, version: "1", budget: .ample, sources: [.orders()])
      #expect(try subnet.run(subnet.deploy(package, by: owner)).refusalText == nil)
    }
  }

  private func now(_ name: String) throws -> HeldPipeline {
    let view = try #require(subnet.executor.reader.newest)
    return HeldPipeline(
      view: try #require(view.pipeline(name)), roots: try #require(view.roots(of: name)))
  }

  /// Every pipeline changes, and no height shows any more what was.
  private func change() throws {
    for name in names { try subnet.fund(name, 2_500_000_000) }
    for _ in 0..<ExecutionLimits.heightsReadable { try subnet.execute([]) }
  }

  private func isKept(_ one: HeldPipeline) throws -> Bool {
    try subnet.executor.reader.held(one.roots, of: one.view.name) != nil
  }

  @Test func `are one an owner, and none goes for another owner's`() throws {
    let reader = subnet.executor.reader
    let held = try names.map(now)
    for one in held.prefix(ExecutionLimits.snapshotsHeld) { try reader.hold(one) }
    let last = try #require(held.last)
    let full = #expect(throws: Refusal.self) { try reader.hold(last) }
    #expect(full?.code == "SNAPSHOTS_FULL")
    try change()
    #expect(try held.map(isKept) == [true, true, true, true, false])
    try reader.hold(try now(names[0]))
    #expect(try held.map(isKept) == [false, true, true, true, false])
    // For another copy it stays, until somebody else takes its place.
    reader.letGo(held[1])
    #expect(try isKept(held[1]))
    try reader.hold(last)
    #expect(try held.map(isKept) == [false, false, true, true, true])
  }

  @Test func `go for another owner's when nobody asked for them in a minute`() throws {
    let reader = subnet.executor.reader
    let held = try names.map(now)
    for one in held.prefix(ExecutionLimits.snapshotsHeld) { try reader.hold(one) }
    try change()
    #expect(throws: Refusal.self) { try reader.hold(held[4]) }
    try subnet.execute([], after: ExecutionLimits.snapshotIdleMax.milliseconds)
    try reader.hold(held[0])
    try reader.hold(held[4])
    #expect(try held.map(isKept) == [true, false, true, true, true])
    try subnet.execute([])
    for one in [held[2], held[3], held[0], held[4]] { try reader.hold(one) }
    #expect(throws: Refusal.self) { try reader.hold(held[1]) }
  }
}
