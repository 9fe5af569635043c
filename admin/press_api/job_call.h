// The call that asks for a job: the names in its path and its JSON body, taken by kind. What is missing or of another
// kind is noted; a call with faults is answered 400 and no job comes of it. What the values mean (is it a host name?)
// is for the job itself to find out.
//
// Values; lives while the call is read.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/api_route.h"
#include "routing/fault.h"

namespace hybridge {

class JobCall {
 public:
  JobCall(const std::vector<std::string>& parameters, const boost::json::value& body)
      : parameters_(parameters), body_(body) {}

  const std::string& parameter(std::size_t index) const { return parameters_.at(index); }
  const boost::json::value& body() const { return body_; }

  // Members of the body. Required ones that are not there are faults, and give what is empty.
  std::string text(std::string_view key);
  std::vector<std::string> text_or_texts(std::string_view key);  // one, or a list
  std::vector<std::string> texts(std::string_view key);
  std::vector<std::string> optional_texts(std::string_view key);
  bool optional_bool(std::string_view key);  // false when it is not there
  const boost::json::array* list(std::string_view key);
  const boost::json::object* object(std::string_view key);

  Faults faults;

 private:
  const boost::json::value* member(std::string_view key);           // nullptr: it is not there, or null
  const boost::json::value* required_member(std::string_view key);  // the same, and a fault
  std::vector<std::string> texts_of(std::string_view key, const boost::json::value& value);

  const std::vector<std::string>& parameters_;
  const boost::json::value& body_;
};

// Reads the request's body and has the call taken from it; no body is as good as an empty object. What is wrong with it
// is the answer.
std::optional<ApiAnswer> read_call(const ApiRequest& request, std::size_t body_limit,
                                   const std::function<void(JobCall&)>& take);

}  // namespace hybridge
