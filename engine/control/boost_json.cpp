// Boost.JSON's implementation, compiled here once instead of linked.
#include <boost/json/src.hpp>
