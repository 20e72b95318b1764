import Wire

/// Measured round trips between the sites that replicas stand on, one after the other.
///
/// - Source: `world` and `europe`: Microsoft, "Azure network round-trip latency statistics", 95th
///   percentile of the 30 days to 30 July 2026
///   (https://learn.microsoft.com/azure/networking/azure-network-latency). `lan` and `metro`: IBM
///   Cloud VPC, "Network latency dashboards", Dallas within a zone and between its three zones, 31
///   August to 29 September 2024
///   (https://cloud.ibm.com/docs/vpc?topic=vpc-network-latency-dashboard).
/// - Bound: over all pairs of sites, `world` has 12 to 272 ms, 138 ms in the median (128 ms for 13
///   replicas); `europe` 12 to 42 ms.
package enum NetworkProfile: String, Sendable, Hashable, CaseIterable {
  case lan, metro, europe, world

  package var meaning: String {
    switch self {
    case .lan: "one zone of a data centre: 0.1 ms there and back"
    case .metro: "three zones of one city: 2 ms"
    case .europe: "nine sites of Europe: 12 to 42 ms"
    case .world: "twelve sites in America, Europe and Asia: 12 to 272 ms, 128 ms in the median"
    }
  }

  package var sites: [String] { table.map(\.site) }

  /// There and back between the sites of two replicas.
  package func roundTrip(_ a: ReplicaID, _ b: ReplicaID) -> Span {
    let (one, other) = (a.index % table.count, b.index % table.count)
    guard one != other else { return withinSite }
    return table[max(one, other)].trips[min(one, other)]
  }

  /// One way, of a link between two different sites, in the median over the pairs of sites.
  package var median: Span {
    let trips = table.flatMap(\.trips).map(\.number).sorted()
    guard !trips.isEmpty else { return Span(withinSite.number / 2) }
    return Span((trips[(trips.count - 1) / 2] + trips[trips.count / 2]) / 4)
  }

  /// A tenth of the way, to either side.
  package static func jitter(of latency: Span) -> Span { Span(max(latency.number / 10, 10)) }

  private var withinSite: Span {
    switch self {
    case .lan, .metro: Span(100)
    case .europe, .world: .milliseconds(1)
    }
  }

  /// Each site with its round trips to those before it.
  private var table: [(site: String, trips: [Span])] {
    switch self {
    case .lan: [("Dallas 1", [])]
    case .metro:
      [("Dallas 1", []), ("Dallas 2", [Span(2_080)]), ("Dallas 3", [Span(2_220), Span(2_190)])]
    case .europe: Self.europeTrips.map { ($0.0, $0.1.map { .milliseconds($0) }) }
    case .world: Self.worldTrips.map { ($0.0, $0.1.map { .milliseconds($0) }) }
    }
  }

  private static let europeTrips: [(String, [UInt64])] = [
    ("West Europe", []),
    ("UK South", [13]),
    ("France Central", [15, 12]),
    ("Germany West Central", [14, 19, 14]),
    ("Switzerland North", [21, 25, 18, 12]),
    ("North Europe", [19, 15, 22, 29, 32]),
    ("Norway East", [24, 26, 32, 26, 30, 30]),
    ("Italy North", [28, 32, 26, 18, 12, 42, 37]),
    ("Poland Central", [28, 34, 34, 26, 30, 39, 30, 32]),
  ]

  private static let worldTrips: [(String, [UInt64])] = [
    ("East US", []),
    ("Germany West Central", [97]),
    ("Japan East", [165, 250]),
    ("West US 2", [75, 159, 103]),
    ("UK South", [80, 19, 237, 144]),
    ("Southeast Asia", [229, 179, 74, 165, 183]),
    ("Canada Central", [21, 101, 165, 68, 83, 226]),
    ("France Central", [90, 14, 241, 153, 12, 176, 91]),
    ("Korea Central", [192, 272, 36, 127, 262, 71, 189, 266]),
    ("Central US", [35, 125, 141, 41, 117, 201, 35, 120, 165]),
    ("North Europe", [76, 29, 232, 136, 15, 236, 80, 22, 255, 107]),
    ("Central India", [218, 151, 129, 218, 150, 59, 216, 147, 127, 245, 159]),
  ]
}
