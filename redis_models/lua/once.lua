-- For scripts that change many records, each whole or not at all. After permissions.lua.
local demanded = {}

-- Demand the right to a command, and ask for it once for all records: an access list that lets a user call a command for
-- some records of a model only is not provided for.
local function demand_once(name, key, target)
  if demanded[name] then return end
  demand(name, key, target)
  demanded[name] = true
end
