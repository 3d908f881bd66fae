#include "tools/common/tensor_file.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "runtime/base/file.h"
#include "runtime/base/half.h"
#include "runtime/base/npy.h"

namespace sluice::tools {
namespace {

// Field numbers of TensorProto (onnx.proto).
enum Field : protozero::pbf_tag_type {
  kDims = 1,
  kDataType = 2,
  kFloatData = 4,
  kInt32Data = 5,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kDataLocation = 14,
};

template <typename T>
void Append(std::vector<uint8_t>& out, T value) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

// Calls each(value) for a repeated number, packed or not.
template <typename Packed, typename Single, typename Each>
void Numbers(protozero::pbf_reader& reader, Packed packed, Single single, Each each) {
  if (reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
    for (auto value : packed()) {
      each(value);
    }
  } else {
    each(single());
  }
}

// An element of int32_data: every type of at most 32 bits but f32.
void AppendInt32Data(std::vector<uint8_t>& out, DType dtype, int32_t value) {
  switch (BitWidth(dtype)) {
    case 32:
      return Append(out, value);
    case 16:
      return Append(out, static_cast<uint16_t>(value));
    default:
      return Append(out, static_cast<uint8_t>(value));
  }
}

// Whether the field at hand is encoded as its kind is: protozero takes that for granted.
bool HasItsWireType(const protozero::pbf_reader& reader) {
  using Wire = protozero::pbf_wire_type;
  const Wire wire = reader.wire_type();
  switch (reader.tag()) {
    case kDims:
    case kInt32Data:
    case kInt64Data:
    case kUint64Data:
      return wire == Wire::varint || wire == Wire::length_delimited;
    case kFloatData:
      return wire == Wire::fixed32 || wire == Wire::length_delimited;
    case kDoubleData:
      return wire == Wire::fixed64 || wire == Wire::length_delimited;
    case kName:
    case kRawData:
      return wire == Wire::length_delimited;
    case kDataType:
    case kDataLocation:
      return wire == Wire::varint;
    default:
      return true;
  }
}

absl::Status NoTensorProto(const std::string& where) {
  return absl::InvalidArgumentError(where + ": not a TensorProto (give a .pb file of ONNX test data, or .npy)");
}

// Takes the field that `r` is at.
absl::Status TakeField(protozero::pbf_reader& r, const std::string& where, HostTensor& t) {
  switch (r.tag()) {
    case kDims:
      Numbers(
          r, [&] { return r.get_packed_int64(); }, [&] { return r.get_int64(); },
          [&](int64_t v) { t.sizes.push_back(v); });
      break;
    case kName:
      t.name = r.get_string();
      break;
    case kRawData: {
      const protozero::data_view view = r.get_view();
      t.data.assign(view.data(), view.data() + view.size());
      break;
    }
    case kFloatData:
      Numbers(
          r, [&] { return r.get_packed_float(); }, [&] { return r.get_float(); }, [&](float v) { Append(t.data, v); });
      break;
    case kDoubleData:
      Numbers(
          r, [&] { return r.get_packed_double(); }, [&] { return r.get_double(); },
          [&](double v) { Append(t.data, v); });
      break;
    case kInt32Data:
      Numbers(
          r, [&] { return r.get_packed_int32(); }, [&] { return r.get_int32(); },
          [&](int32_t v) { AppendInt32Data(t.data, t.dtype, v); });
      break;
    case kInt64Data:
      Numbers(
          r, [&] { return r.get_packed_int64(); }, [&] { return r.get_int64(); },
          [&](int64_t v) { Append(t.data, v); });
      break;
    case kUint64Data:
      Numbers(
          r, [&] { return r.get_packed_uint64(); }, [&] { return r.get_uint64(); },
          [&](uint64_t v) { t.dtype == DType::kU32 ? Append(t.data, static_cast<uint32_t>(v)) : Append(t.data, v); });
      break;
    case kDataLocation:
      if (r.get_int32() != 0) {
        return absl::InvalidArgumentError(where + ": the tensor's data are in another file (keep them inside)");
      }
      break;
    default:
      r.skip();
  }
  return absl::OkStatus();
}

absl::StatusOr<HostTensor> Parse(std::span<const uint8_t> bytes, const std::string& where) {
  HostTensor t;
  // The type decides how int32_data is read and may come after it, so it is looked for first.
  protozero::pbf_reader first(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (first.next()) {
    if (first.tag() == kDataType && first.wire_type() == protozero::pbf_wire_type::varint) {
      t.dtype = static_cast<DType>(first.get_int32());
    } else {
      first.skip();
    }
  }
  if (BitWidth(t.dtype) == 0) {
    return absl::InvalidArgumentError(where + ": no tensor of numbers (a TensorProto of a numeric type is needed)");
  }
  protozero::pbf_reader r(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (r.next()) {
    if (!HasItsWireType(r)) {
      return NoTensorProto(where);
    }
    RETURN_IF_ERROR(TakeField(r, where, t));
  }
  return t;
}

}  // namespace

HostTensor HostTensor::As(DType to) const {
  const auto converts = [](DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; };
  if (to == dtype || !converts(to) || !converts(dtype)) {
    return *this;
  }
  const auto n = static_cast<int64_t>(data.size()) * 8 / BitWidth(dtype);
  std::vector<float> values(static_cast<size_t>(n));
  if (dtype == DType::kF32) {
    std::memcpy(values.data(), data.data(), data.size());
  } else {
    const auto* from = reinterpret_cast<const uint16_t*>(data.data());
    dtype == DType::kF16 ? F16ToF32(from, values.data(), n) : BF16ToF32(from, values.data(), n);
  }
  HostTensor result{.name = name, .dtype = to, .sizes = sizes};
  result.data.resize(static_cast<size_t>(ByteSize(to, n)));
  if (to == DType::kF32) {
    std::memcpy(result.data.data(), values.data(), result.data.size());
  } else {
    auto* out = reinterpret_cast<uint16_t*>(result.data.data());
    to == DType::kF16 ? F32ToF16(values.data(), out, n) : F32ToBF16(values.data(), out, n);
  }
  return result;
}

absl::StatusOr<kernels::Tensor> HostTensor::View() const {
  if (sizes.size() > kernels::kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: %d dimensions (at most 8 are possible)", name, sizes.size()));
  }
  kernels::Tensor t;
  t.dtype = dtype;
  t.data = const_cast<uint8_t*>(data.data());
  t.rank = static_cast<int>(sizes.size());
  int64_t stride = 1;
  for (int d = t.rank - 1; d >= 0; --d) {
    t.sizes[d] = sizes[d];
    t.strides[d] = stride;
    stride *= sizes[d];
  }
  return t;
}

absl::StatusOr<HostTensor> ParseTensorProto(std::span<const uint8_t> bytes, const std::string& where) {
  absl::StatusOr<HostTensor> t;
  try {  // protozero reports malformed bytes by throwing; nothing gets past here
    t = Parse(bytes, where);
  } catch (const std::exception&) {
    return NoTensorProto(where);
  }
  RETURN_IF_ERROR(t.status());
  int64_t elements = 1;
  __int128 largest_stride = 1;  // an empty tensor has strides too
  for (int64_t size : t->sizes) {
    largest_stride *= std::max<int64_t>(size, 1);
    if (size < 0 || largest_stride > (int64_t{1} << 48)) {
      return absl::InvalidArgumentError(where + ": a dimension is negative or too large");
    }
    elements *= size;
  }
  const int64_t bytes_needed = ByteSize(t->dtype, elements);
  if (static_cast<int64_t>(t->data.size()) != bytes_needed) {
    return absl::DataLossError(
        absl::StrFormat("%s: the tensor has %d bytes of data, its sizes need %d", where, t->data.size(), bytes_needed));
  }
  return t;
}

absl::StatusOr<HostTensor> ReadTensor(const std::string& path) {
  if (path.size() > 4 && path.compare(path.size() - 4, 4, ".npy") == 0) {
    ASSIGN_OR_RETURN(NpyArray array, ReadNpy(path));
    return HostTensor{"", array.dtype, std::move(array.shape), std::move(array.data)};
  }
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return ParseTensorProto(file.bytes(), path);
}

HostTensor CopyOf(const std::string& name, const kernels::Tensor& t) {
  const uint8_t* data = t.as<uint8_t>();
  return {name, t.dtype, {t.sizes.begin(), t.sizes.begin() + t.rank}, {data, data + ByteSize(t.dtype, t.elements())}};
}

absl::Status WriteTensor(const std::string& path, const kernels::Tensor& t) {
  return WriteNpy(path, t.dtype, {t.sizes.begin(), t.sizes.begin() + t.rank}, t.data);
}

}  // namespace sluice::tools
