import Metering
import Pipelines
import Wire

/// The second pipeline of simulated load where clients move cycles: it has some for a few calls
/// only, and small budgets for those who call it.
struct DryPipeline {
  static let name = "dry"
  static let source = "drops"
  /// The first callers of the subnet may change its prices.
  static let administrators = 3
  static let stepLimit: UInt64 = 3_000
  /// What it is deployed with, in calls: its balance, and each budget.
  static let unitsFirst: UInt64 = 8

  let replicas: Int
  /// Everybody with an account.
  let people: [PublicKey]
  /// Whose keys are granted; all others share the public's budget.
  private let named: [PublicKey]
  /// Calls a second of one client.
  let pace: UInt64

  init(replicas: Int, people: [PublicKey], pace: UInt64) {
    self.replicas = replicas
    self.people = people
    self.pace = pace
    named = people.indices.filter { $0 % 2 == 1 }.map { people[$0] }
  }

  /// About what so many calls of a few rows cost.
  func units(_ count: UInt64) -> Cycles { Cycles(count * 7_200_000 * UInt64(replicas) / 13) }

  /// What it keeps of its balance while it stores nothing.
  var reserve: Cycles {
    PriceTable.standard(replicas: replicas).ingress(bytes: UInt64(Limits.callBodyBytesMax))
  }

  func package(_ edition: Int, budget units: UInt64) -> Package {
    var budget = Budget()
    budget.callerDaily = self.units(units)
    budget.publicDaily = self.units(units)
    let small = SQLScript("amount < 1000", file: "dry.yaml")
    return Package(
      name: Self.name, version: "1.0.\(edition)", description: "Runs dry.", budget: budget,
      sources: [
        Source(
          name: Self.source,
          columns: [
            SourceColumn(name: "drop_id", type: .text, required: true, bytesMax: 64),
            SourceColumn(name: "amount", type: .int, required: true),
          ], primaryKey: ["drop_id"],
          expectations: [Expectation(name: "small", check: small, onViolation: .fail)],
          allow: named.map { .key($0) } + [.anyone])
      ])
  }

  /// The price table of a version above 1; every administrator makes the same of it.
  func prices(_ version: UInt32) -> PriceTable? {
    var table: PriceTable? = .standard(replicas: replicas)
    for _ in 2..<max(2, version) { table = table?.changed([:]) }
    let grade = UInt64(version % 4)
    return table?.changed([
      "storage": Cycles(127_000 + 12_700 * grade), "step": Cycles(100 + 10 * grade),
      "update-base": Cycles(5_000_000 + 250_000 * grade),
      "transfer": Cycles(100_000_000 + 1_000_000 * grade),
    ])
  }
}
