/// All cases of Twins of one round, up to the names of the replicas; or some of several rounds.
///
/// One round, `n` replicas. The leader of view 1 is fixed by its number, so one replica stands out,
/// and it may be in the first group, in the second, or in both: 3 ways. The other `n − 1` differ
/// only by their role, one of 4; up to renaming only how many play each role counts, and
/// `n − 1` things fall into 4 kinds in `C(n − 1 + 3, 3) = C(n + 2, 3)` ways. Together
/// `3 · C(n + 2, 3)`: 60 for 4 replicas, 1,365 for 13.
///
/// Who of them is Byzantine: up to renaming only how many in each of the five cells (the leader,
/// and the four roles). Summed over all settings, with `k` Byzantine ones among the others,
/// `3 · Σ C(k + 3, 3) · C(n − 1 − k + 3, 3)` for `k = f` (the leader is honest) and `k = f − 1`
/// (it is not): 180 for 4 replicas, 30,525 for 13. Unless every placement is asked for, the
/// settings take their placements by turns.
///
/// The rounds are the views 1, 2, …: leaders take turns, so they differ for as long as there are
/// not more rounds than replicas, and which roles they have is all that is free.
package struct TwinsPlan: Sendable {
  package let replicas: Int
  package var faultsMax: Int { (replicas - 1) / 3 }

  /// - Precondition: at least 4 replicas, so that one may be Byzantine.
  package init(replicas: Int) {
    precondition(replicas >= 4, "\(replicas) replicas bear no Byzantine one")
    self.replicas = replicas
  }

  private typealias Role = TwinsCase.Role

  /// Every setting of one round, made one after the other: there may be millions.
  /// - Parameter everyPlacement: with every choice of the Byzantine ones; else with one each.
  package func all(everyPlacement: Bool) -> some Sequence<TwinsCase> {
    let splits = Self.splits(replicas - 1, into: Role.allCases.count)
    let settings = Role.leading.flatMap { leading in splits.map { (leading, $0) } }
    return settings.indices.lazy.flatMap { number in
      let (leading, counts) = settings[number]
      let placements = placements(counts)
      let chosen = everyPlacement ? placements : [placements[number % placements.count]]
      return chosen.map { made(leading, counts, $0) }
    }
  }

  /// How many cases `all` has.
  package func count(everyPlacement: Bool) -> Int {
    guard everyPlacement else { return 3 * Self.choose3(replicas + 2) }
    return [faultsMax, faultsMax - 1].reduce(0) { sum, others in
      sum + 3 * Self.choose3(others + 3) * Self.choose3(replicas + 2 - others)
    }
  }

  private static func choose3(_ count: Int) -> Int { count * (count - 1) * (count - 2) / 6 }

  /// Roles and Byzantine ones drawn evenly, of any number of rounds.
  package func sample(_ number: Int, rounds: Int, seed: UInt64) -> TwinsCase {
    var chance = RandomStream(seed: seed, label: "twins \(number)")
    let byzantine = chance.pick(faultsMax, of: Array(0..<replicas))
    let drawn = (1...rounds).map { view in
      (0..<replicas).map { index in
        chance.pick(index == view % replicas ? Role.leading : Role.allCases)
      }
    }
    return TwinsCase(replicas: replicas, byzantine: byzantine, rounds: drawn)
  }

  /// How many Byzantine ones in each cell: the leader first, then the roles.
  private func placements(_ counts: [Int]) -> [[Int]] {
    Self.splits(faultsMax, into: counts.count + 1).filter { split in
      split[0] <= 1 && zip(split.dropFirst(), counts).allSatisfy { $0 <= $1 }
    }
  }

  /// The leader is replica 1; the others follow it, role by role.
  private func made(_ leading: Role, _ counts: [Int], _ placement: [Int]) -> TwinsCase {
    var roles = [Role](repeating: .none, count: replicas)
    var byzantine: [Int] = []
    let leader = 1 % replicas
    roles[leader] = leading
    if placement[0] == 1 { byzantine.append(leader) }
    var next = leader
    for (kind, count) in counts.enumerated() {
      for place in 0..<count {
        next = (next + 1) % replicas
        roles[next] = Role.allCases[kind]
        if place < placement[kind + 1] { byzantine.append(next) }
      }
    }
    return TwinsCase(replicas: replicas, byzantine: byzantine.sorted(), rounds: [roles])
  }

  /// All ways to write `total` as a sum of so many numbers from 0, in order.
  static func splits(_ total: Int, into parts: Int) -> [[Int]] {
    guard parts > 1 else { return [[total]] }
    return (0...total).flatMap { first in
      splits(total - first, into: parts - 1).map { [first] + $0 }
    }
  }
}
