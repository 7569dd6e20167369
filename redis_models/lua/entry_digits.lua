-- Digits of negative numbers. After entry.lua.
local nines
local function complement(digits)
  nines = nines or {
    ['0'] = '9', ['1'] = '8', ['2'] = '7', ['3'] = '6', ['4'] = '5',
    ['5'] = '4', ['6'] = '3', ['7'] = '2', ['8'] = '1', ['9'] = '0',
  }
  return (gsub(digits, '%d', nines))
end
