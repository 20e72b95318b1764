import Consensus
import Replication
import Signing
import Testing
import Wire

@Suite struct `A subnet` {
  @Test(arguments: [1, 4, 5, 7, 13])
  func `finalizes and certifies every call when nothing goes wrong`(size: Int) {
    var subnet = Subnet(size, seed: 1)
    subnet.submit(20, every: 50_000)
    subnet.run(until: 3_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.ordered.count == 20)
    #expect(subnet.nullifiedViews.isEmpty)
    #expect(subnet.notices["ordered-twice"] == nil)
    for height in 1...max(1, subnet.finalizedHighest.number - 2) {
      #expect(subnet.certified[Height(height)] != nil)
    }
  }

  @Test func `orders a call on an idle subnet within four delays`() {
    var faults = Faults()
    faults.delay = 20_000...20_000
    var subnet = Subnet(4, seed: 3, faults: faults)
    subnet.submit(1, every: 1, from: 5_400_000)
    subnet.run(until: 6_000_000)
    // Four delays of 20 ms, and 3 ms at most for each of four syncs.
    #expect(subnet.latencies.first.map { $0 <= 92_000 } == true)
  }

  @Test func `costs next to nothing while it is idle`() {
    var subnet = Subnet(4, seed: 3)
    subnet.run(until: 20_000_000)
    #expect(subnet.finalizedHighest <= 21)
    #expect(subnet.finalizedHighest >= 17)
    #expect(subnet.deliveries < 20 * 100)
  }

  @Test(arguments: 1...3)
  func `stays safe through loss, splits and crashes, and lives when they end`(seed: UInt64) {
    var faults = Faults()
    faults.calmAt = 8_000_000
    faults.delay = 1_000...60_000
    faults.loss = 10
    faults.duplication = 5
    faults.crashes = 1_500
    faults.splits = 1_000
    var subnet = Subnet(4, seed: seed, faults: faults)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 8_000_000)
    let before = subnet.finalizedHighest
    subnet.run(until: 22_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.finalizedHighest.number >= before.number + 10)
    for machine in subnet.machines {
      #expect(machine.replica.map { $0.status.finalized.next >= subnet.finalizedHighest } == true)
    }
  }

  @Test func `goes on without f dead members, giving up on them at once after a while`() {
    var faults = Faults()
    faults.dead = [1, 2]
    var subnet = Subnet(7, seed: 5, faults: faults)
    subnet.submit(60, every: 200_000)
    subnet.run(until: 20_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.ordered.count == 60)
    #expect(subnet.notices["voter.nullify.leader-silent", default: 0] > 0)
  }

  @Test func `stands still without a quorum, and says who is missing`() throws {
    var faults = Faults()
    faults.dead = [1, 2]
    var subnet = Subnet(4, seed: 5, faults: faults)
    subnet.run(until: 10_000_000)
    #expect(subnet.finalizedHighest == 0)
    let status = try #require(subnet.machines[0].replica?.status)
    #expect(status.awaiting.contains { $0.contains("not connected are r1, r2") })
    subnet.boot(1)
    subnet.run(until: 20_000_000)
    #expect(subnet.finalizedHighest > 3)
    #expect(subnet.violations == [])
  }
}

@Suite struct `A replica that was away` {
  @Test func `catches up from nothing by ranges`() throws {
    var faults = Faults()
    faults.dead = [3]
    var subnet = Subnet(4, seed: 7, faults: faults)
    subnet.submit(150, every: 60_000)
    subnet.run(until: 12_000_000)
    let behind = subnet.finalizedHighest
    #expect(behind > 60)
    subnet.boot(3)
    subnet.run(until: 16_000_000)
    let status = try #require(subnet.machines[3].replica?.status)
    #expect(status.finalized >= behind)
    #expect(status.executed >= behind)
    #expect(subnet.notices["catch-up.range", default: 0] > 1)
    #expect(subnet.violations == [])
  }

  @Test func `all of them at once go on from their logs`() {
    var subnet = Subnet(4, seed: 8)
    subnet.submit(100, every: 60_000)
    subnet.run(until: 3_000_000)
    let before = subnet.finalizedHighest
    for index in subnet.machines.indices { subnet.crash(index, for: 500_000) }
    subnet.run(until: 12_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.finalizedHighest.number > before.number + 5)
    for height in 1..<subnet.finalizedHighest.number - 2 {
      #expect(subnet.certified[Height(height)] != nil, "height \(height)")
    }
  }

  @Test func `with a lost log abstains first, then votes again`() throws {
    var subnet = Subnet(4, seed: 9)
    subnet.submit(100, every: 60_000)
    subnet.run(until: 3_000_000)
    let view = subnet.machines[2].view
    subnet.crash(2, for: 500_000, wiped: true)
    subnet.run(until: 12_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.notices["restart.recovered"] == 1)
    let machine = subnet.machines[2]
    let votes = machine.disk.compactMap {
      if case .vote(let vote) = $0 { vote.ballot.view } else { nil }
    }
    #expect(try #require(votes.min()) > view)
    #expect(try #require(machine.replica).status.finalized.next >= subnet.finalizedHighest)
  }

  @Test func `with a lost log and the rule broken votes at once`() throws {
    var faults = Faults()
    faults.planted = [.lostLogVotesAtOnce]
    var subnet = Subnet(4, seed: 9, faults: faults)
    subnet.submit(100, every: 60_000)
    subnet.run(until: 3_000_000)
    subnet.crash(2, for: 500_000, wiped: true)
    subnet.run(until: 12_000_000)
    #expect(subnet.notices["restart.recovered"] == nil)
  }
}

@Suite struct `Among the faulty` {
  @Test(arguments: 1...2)
  func `an equivocating leader harms nobody`(seed: UInt64) {
    var faults = Faults()
    faults.equivocators = [1]
    var subnet = Subnet(4, seed: seed, faults: faults)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 8_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.accused.isSubset(of: [1]))
    #expect(subnet.ordered.count >= 30)
  }

  @Test(arguments: 1...2)
  func `two copies with one key harm nobody`(seed: UInt64) {
    var subnet = Subnet(4, seed: seed, twin: 2)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 8_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.accused.isSubset(of: [2]))
    #expect(subnet.finalizedHighest > 10)
  }

  @Test func `a replica with another state quarantines itself and the others go on`() {
    var faults = Faults()
    faults.wrongState = [3]
    var subnet = Subnet(4, seed: 4, faults: faults)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 10_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.notices["quarantined 3"] == 1)
    #expect(subnet.machines[3].replica?.status.phase == .quarantined)
    #expect(subnet.certified[Height(subnet.finalizedHighest.number - 2)] != nil)
    subnet.crash(3, for: 100_000)
    subnet.run(until: 12_000_000)
    #expect(subnet.machines[3].replica?.status.phase == .quarantined)
  }

  @Test func `a replica whose log came to the certified state signs again, and no height twice`()
    throws
  {
    var faults = Faults()
    faults.wrongState = [3]
    var subnet = Subnet(4, seed: 4, faults: faults)
    subnet.submit(60, every: 100_000)
    subnet.run(until: 4_000_000)
    func shares() -> [StateShare] {
      subnet.machines[3].disk.compactMap {
        if case .stateShare(let share) = $0 { share } else { nil }
      }
    }
    let found = subnet.machines[3].disk.compactMap { record -> StateCertificate? in
      if case .quarantine(_, let certificate) = record { certificate } else { nil }
    }
    let certificate = try #require(found.first)
    let before = shares()
    let highest = try #require(before.map(\.statement.height).max())
    subnet.crash(3, for: 100_000)
    // What the shell does: other files of the same log, and a record of what they came to.
    subnet.faults.wrongState = []
    let log = subnet.machines[3].chain.count
    subnet.machines[3].roots = Array(subnet.machines[0].roots.prefix(log))
    subnet.machines[3].disk.append(
      .rebuilt(
        Rebuild(
          certificate: certificate, stateRoot: certificate.statement.stateRoot,
          receiptsRoot: certificate.statement.receiptsRoot,
          engine: EngineFingerprint(source: "a build", options: .zero, probe: .zero))))
    subnet.run(until: 9_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.machines[3].replica?.status.phase != .quarantined)
    #expect(subnet.notices["quarantined 3"] == 1)
    let after = shares().dropFirst(before.count)
    #expect(!after.isEmpty)
    #expect(after.allSatisfy { $0.statement.height > highest })
    let roots = subnet.machines[0].roots
    for share in after where share.statement.height.number <= UInt64(roots.count) {
      #expect(share.statement.stateRoot == roots[Int(share.statement.height.number) - 1])
    }
  }

  @Test func `with roots unchecked a wrong state is not noticed`() {
    var faults = Faults()
    faults.wrongState = [3]
    faults.planted = [.stateRootUnchecked]
    var subnet = Subnet(4, seed: 4, faults: faults)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 10_000_000)
    #expect(subnet.notices["quarantined 3"] == nil)
  }

  @Test func `when no root can reach a quorum execution stops and empty blocks go on`() {
    var faults = Faults()
    faults.wrongState = [2, 3]
    var subnet = Subnet(4, seed: 4, faults: faults)
    subnet.submit(40, every: 100_000)
    subnet.run(until: 10_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.machines[0].replica?.status.phase == .split)
    let at = subnet.finalizedHighest
    subnet.run(until: 20_000_000)
    #expect(subnet.finalizedHighest.number > at.number + 5)
    let last = subnet.ordered.values.max() ?? 0
    #expect(last < at)
  }
}

@Suite struct `Durability before voice` {
  @Test func `holds, and is missed when the rule is broken`() {
    var subnet = Subnet(4, seed: 1)
    subnet.run(until: 2_000_000)
    #expect(subnet.violations == [])
    var faults = Faults()
    faults.planted = [.voteBeforeSync]
    var broken = Subnet(4, seed: 1, faults: faults)
    broken.run(until: 2_000_000)
    #expect(broken.violations.first?.contains("before its sync") == true)
  }
}
