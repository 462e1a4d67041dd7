// Keys and values as they are computed. A cell is four elements of a head; a head's last cell may end in zeros.
alias Cell = vec4<f32>;

fn unpacked(cell: Cell) -> vec4<f32> {
    return cell;
}

fn packed(x: vec4<f32>) -> Cell {
    return x;
}
