import Wire

/// Signatures for the simulator: quick to make and to check, worth nothing against a forger.
///
/// - Safety: within a simulation a signature verifies for its own key and its own bytes only, as
///   long as no adversary makes one with another's key; the simulator's adversaries do not.
enum MockScheme {
  /// The key, then four words that every byte and the key have gone into; allocates nothing.
  static func sign(_ bytes: [UInt8], _ key: PublicKey) -> Signature {
    withScratch(64) { target in
      key.store(to: target)
      var state: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, 4)
      for offset in stride(from: 0, to: 32, by: 8) {
        absorb(target.loadUnaligned(fromByteOffset: offset, as: UInt64.self), &state)
      }
      absorb(bytes, &state)
      target.storeBytes(of: mix(state.0).littleEndian, toByteOffset: 32, as: UInt64.self)
      target.storeBytes(of: mix(state.1).littleEndian, toByteOffset: 40, as: UInt64.self)
      target.storeBytes(of: mix(state.2).littleEndian, toByteOffset: 48, as: UInt64.self)
      target.storeBytes(of: mix(state.3).littleEndian, toByteOffset: 56, as: UInt64.self)
      return Signature(loading: target)
    }
  }

  static func verifies(_ signature: Signature, _ bytes: [UInt8], _ key: PublicKey) -> Bool {
    sign(bytes, key) == signature
  }

  private static func absorb(_ bytes: [UInt8], _ state: inout (UInt64, UInt64, UInt64, UInt64)) {
    bytes.withUnsafeBytes { buffer in
      var offset = 0
      while offset + 8 <= buffer.count {
        absorb(buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self), &state)
        offset += 8
      }
      var last = UInt64(buffer.count) << 56
      for index in offset..<buffer.count { last = last << 8 | UInt64(buffer[index]) }
      absorb(last, &state)
      absorb(UInt64(buffer.count), &state)
    }
  }

  private static func absorb(_ word: UInt64, _ state: inout (UInt64, UInt64, UInt64, UInt64)) {
    state.0 = mix(state.0 ^ word)
    state.1 = (state.1 ^ word) &* 0xff51_afd7_ed55_8ccd
    state.1 ^= state.1 >> 29
    state.2 = (state.2 &+ word) &* 0xc4ce_b9fe_1a85_ec53
    state.2 ^= state.2 >> 31
    state.3 = (state.3 ^ (state.0 &+ state.2)) &* 0x9fb2_1c65_1e98_df25
  }

  /// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var word = value
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
