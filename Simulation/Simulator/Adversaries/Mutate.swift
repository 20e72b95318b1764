import Wire

/// Flips bits, drops or adds bytes in a third of what it sends.
struct Mutate: Adversary {
  let sides: Sides
  let views: ClosedRange<UInt64>?
  var chance: RandomStream

  mutating func bytes(_ bytes: [UInt8], to peer: ReplicaID, in view: View) -> [UInt8] {
    guard views.covers(view), sides.targets.contains(peer), !bytes.isEmpty,
      chance.happens(333_333)
    else { return bytes }
    var bent = bytes
    switch chance.below(8) {
    case 0: bent.removeLast(1 + chance.below(min(bytes.count, 32)))
    case 1: bent += chance.bytes(1 + chance.below(16))
    case 2: bent[0] = UInt8(truncatingIfNeeded: chance.next())
    default:
      for _ in 0...chance.below(3) {
        let bit = chance.below(bytes.count * 8)
        bent[bit / 8] ^= 1 << UInt8(bit % 8)
      }
    }
    return bent
  }
}
