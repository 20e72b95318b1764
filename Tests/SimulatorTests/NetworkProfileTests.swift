import Testing
import Wire

@testable import Simulator

@Suite struct `A network profile` {
  private func trips(_ profile: NetworkProfile, replicas: Int) -> [UInt64] {
    let ids = (0..<UInt16(replicas)).map { ReplicaID($0) }
    return ids.flatMap { one in
      ids.filter { $0 < one }.map { profile.roundTrip(one, $0).number }
    }.sorted()
  }

  @Test(arguments: [
    // Microseconds there and back over all pairs of sites: least, median, most.
    (NetworkProfile.metro, UInt64(2_080), UInt64(2_190), UInt64(2_220)),
    (.europe, 12_000, 26_000, 42_000),
    (.world, 12_000, 138_500, 272_000),
  ])
  func `has the round trips that were measured`(
    profile: NetworkProfile, least: UInt64, middle: UInt64, most: UInt64
  ) {
    let trips = trips(profile, replicas: profile.sites.count)
    #expect(trips.first == least && trips.last == most)
    #expect((trips[(trips.count - 1) / 2] + trips[trips.count / 2]) / 2 == middle)
    #expect(profile.median.number == middle / 2)
  }

  @Test func `of the world has about 125 ms in the median for 13 replicas`() {
    let trips = trips(.world, replicas: 13)
    #expect((115_000...135_000).contains(trips[trips.count / 2]))
  }

  @Test func `within one zone is a tenth of a millisecond`() {
    #expect(trips(.lan, replicas: 5) == [UInt64](repeating: 100, count: 10))
  }

  @Test(arguments: NetworkProfile.allCases)
  func `is the same both ways, and what a link takes on average`(profile: NetworkProfile) {
    var cluster = Scenario.Cluster()
    cluster.replicas = 13
    cluster.stand(on: profile)
    let ids = (0..<UInt16(13)).map { ReplicaID($0) }
    let network = Network(members: ids, cluster: cluster)
    for from in ids {
      for to in ids where to != from {
        #expect(profile.roundTrip(from, to) == profile.roundTrip(to, from))
        #expect(
          network.latency(from: from.index, to: to.index).number
            == profile.roundTrip(from, to).number / 2)
      }
    }
  }

  @Test(arguments: NetworkProfile.allCases)
  func `carries a subnet of thirteen`(profile: NetworkProfile) throws {
    let text = """
      quorate: 1
      title: Sites
      cluster: { replicas: 13, latency: \(profile.rawValue), leader-timeout: 900ms }
      load: { clients: 1, rate: 4/s }
      faults: [{ at: 8s, calm: all }]
      expect: { liveness: 20s }
      """
    let scenario = try ScenarioFile.parse(text, path: "sites.yaml")
    #expect(scenario.cluster.profile == profile)
    #expect(try ScenarioFile.parse(scenario.text, path: "again.yaml") == scenario)
    let report = Simulation.run(scenario)
    #expect(report.passed, "\(report.text(file: nil))")
    #expect(report.statistics.heightHighest > 8)
  }
}
