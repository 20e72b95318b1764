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
