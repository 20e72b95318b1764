import Journaling
import Signing
import Testing
import Wire

@testable import Simulator

@Suite struct `A journal on a simulated disk` {
  private let subnet = sha256([7])

  private func vote(_ view: UInt64) -> Vote {
    let ballot = Ballot.nullify(subnet: subnet, epoch: 0, view: View(view))
    guard let key = PublicKey([UInt8](repeating: 1, count: 32)) else {
      preconditionFailure("32 bytes make a key")
    }
    return Vote(ballot: ballot, signer: 0, signature: Signer.mock(key).sign(ballot))
  }

  @Test(arguments: PowerLoss.allCases)
  func `gives back every vote that it took, whatever a power loss leaves`(loss: PowerLoss) throws {
    for seed in UInt64(0)..<25 {
      let disk = SimulatedDisk(seed: seed)
      defer { withExtendedLifetime(disk) {} }
      let machine = disk.machine("r0")
      var chance = RandomStream(seed: seed, label: "test")
      var taken: UInt64 = 0
      for _ in 0..<4 {
        taken = try appendUntilPowerLoss(disk, machine, from: taken, &chance)
        machine.crash(loss)
        machine.powerOn()
        let restored = try Journal(path: "r0/consensus.sqlite", vfs: disk.name).restore()
        let views = restored.votes.map(\.ballot.view.number)
        #expect(views == Array(1...UInt64(max(1, views.count))) || views.isEmpty, "seed \(seed)")
        #expect(UInt64(views.count) >= taken, "seed \(seed): \(views.count) of \(taken)")
        #expect(restored.journalFound || taken == 0, "seed \(seed)")
        taken = UInt64(views.count)
      }
    }
  }

  /// - Returns: the highest view whose append returned.
  private func appendUntilPowerLoss(
    _ disk: SimulatedDisk, _ machine: MachineDisk, from first: UInt64,
    _ chance: inout RandomStream
  ) throws -> UInt64 {
    let journal = try Journal(path: "r0/consensus.sqlite", vfs: disk.name, firstStart: first == 0)
    machine.operationsUntilPowerLoss = chance.below(70)
    var view = first
    while true {
      do {
        try journal.append([.vote(vote(view + 1))])
        view += 1
      } catch {
        return view
      }
    }
  }

  /// With the rule broken the power loss takes what nobody synced.
  @Test(arguments: [[], [.restartUnsynced]] as [Set<PlantedBug>])
  func `makes durable at its start what a failed sync left in its log`(
    planted: Set<PlantedBug>
  ) throws {
    let disk = SimulatedDisk(seed: 3)
    let machine = disk.machine("r0")
    func open(firstStart: Bool = false) throws -> Journal {
      try Journal(
        path: "r0/consensus.sqlite", vfs: disk.name, firstStart: firstStart, planted: planted)
    }
    let dying = try open(firstStart: true)
    try dying.append([.vote(vote(1))])
    machine.syncFails = true
    #expect(throws: JournalFault.self) { try dying.append([.vote(vote(2))]) }
    machine.crash(.nothing)
    machine.powerOn()
    #expect(((try? open()) == nil) == planted.isEmpty)
    machine.crash(.nothing)
    machine.powerOn()
    machine.syncFails = false
    let heir = try open()
    #expect(try heir.restore().votes.map(\.ballot.view) == [1, 2])
    machine.crash(.unsynced)
    machine.powerOn()
    let kept: [View] = planted.isEmpty ? [1, 2] : [1]
    #expect(try open().restore().votes.map(\.ballot.view) == kept)
    // A connection that closes while its machine runs makes its log durable.
    withExtendedLifetime((disk, dying, heir)) {}
  }

  @Test func `writes its log anew at its start, on a full disk too`() throws {
    let disk = SimulatedDisk(seed: 3)
    let machine = disk.machine("r0")
    let path = "r0/consensus.sqlite"
    let dying = try Journal(path: path, vfs: disk.name, firstStart: true)
    for view in 1...9 as ClosedRange<UInt64> { try dying.append([.vote(vote(view))]) }
    machine.crash(.nothing)
    machine.powerOn()
    machine.bytesMax = machine.bytes
    let log = try #require(machine.file(path + "-wal"))
    let (before, operations) = (log.size, machine.operations)
    let heir = try Journal(path: path, vfs: disk.name)
    #expect(before > 9 * 4_096)
    #expect(machine.operations - operations > before / MemoryFile.sectorBytes)
    #expect(log.size == before && log.unsyncedSectors == 0)
    #expect(try heir.restore().votes.count == 9)
    withExtendedLifetime((disk, dying, heir)) {}
  }

  @Test func `is not found after a wipe, and found after a crash`() throws {
    let disk = SimulatedDisk(seed: 1)
    defer { withExtendedLifetime(disk) {} }
    let machine = disk.machine("r0")
    try Journal(path: "r0/consensus.sqlite", vfs: disk.name, firstStart: true).append([
      .vote(vote(1))
    ])
    machine.crash(.unsynced)
    machine.powerOn()
    #expect(try Journal(path: "r0/consensus.sqlite", vfs: disk.name).restore().journalFound)
    machine.crash(.unsynced)
    machine.wipe()
    machine.powerOn()
    #expect(try !Journal(path: "r0/consensus.sqlite", vfs: disk.name).restore().journalFound)
  }
}
