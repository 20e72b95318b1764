import Replication
import Testing
import Wire

@testable import Consensus

@Suite struct `A subnet` {
  @Test(arguments: [1, 4, 5, 7, 13])
  func `finalizes and certifies every call when nothing goes wrong`(size: Int) {
    var subnet = Subnet(size, seed: 1)
    subnet.submit(100, every: 20_000)
    subnet.run(until: 10_000_000)
    #expect(subnet.violations == [])
    #expect(subnet.ordered.count == 100)
    #expect(subnet.certified[subnet.finalizedHighest] != nil)
    #expect(subnet.notices["ordered-twice"] == nil)
  }
}
